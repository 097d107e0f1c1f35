"""The code of each page on extending is one program, which runs from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_snippets import DOCS, run, take_photos

PAGES = sorted(file for file in (DOCS / "extend").glob("*.md") if file.name != "index.md")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    code = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    assert len(code) >= 2
    take_photos(tmp_path)
    run(tmp_path, "python", "\n".join(code), tmp_path / "cache")
