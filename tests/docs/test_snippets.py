"""What the pages show is run as it stands, from top to bottom, in a folder with photos."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenes import album, scene

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = (
    *("start", "environment"),
    *("guides/own-photos", "guides/train", "guides/whiten", "guides/measure"),
)
_BLOCK = re.compile(r"^```(sh|python|toml)\n(.*?)^```", re.M | re.S)


def take_photos(folder: Path) -> None:
    """`photos`, of which one shows what `query.jpg` does, and `places`."""
    album(folder / "photos", 5, (320, 300))
    scene(2, (320, 300)).save(folder / "query.jpg", quality=95)
    for place in range(4):
        (folder / "places" / str(place)).mkdir(parents=True)
        whole = scene(20 + place, (260, 200))
        for number in range(3):
            box = (20 * number, 10 * number, 220 + 20 * number, 170 + 10 * number)
            whole.crop(box).save(folder / "places" / str(place) / f"{number}.png")


def run(folder: Path, language: str, text: str, cache: Path) -> None:
    """One block; a recipe is written to the file that its first line names."""
    if language == "toml":
        (folder / text.split(":")[0].lstrip("# ")).write_text(text, "utf-8")
        return
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, text],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path, "SOLAR_CACHE": str(cache)},
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_run(
    page: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    take_photos(tmp_path)
    blocks = _BLOCK.findall((DOCS / f"{page}.md").read_text("utf-8"))
    assert len(blocks) >= 2
    cache = tmp_path_factory.getbasetemp() / "cache-of-snippets"
    for language, text in blocks:
        run(tmp_path, language, text, cache)


def test_every_variable_is_explained() -> None:
    page = (DOCS / "environment.md").read_text("utf-8")
    sources = [file.read_text("utf-8") for file in (DOCS.parent / "solar").rglob("*.py")]
    used = {name for text in sources for name in re.findall(r"\bSOLAR_[A-Z_]*[A-Z]\b", text)}
    assert len(used) > 8
    assert not {name for name in used if f"`{name}`" not in page}


def test_the_format_of_descriptors_is_as_written(tmp_path: Path) -> None:
    photo = scene(1, (64, 48))
    photo.save(tmp_path / "photo.png")
    call = "solar describe photo.png --to d.npz --scales 1 --image-size 64"
    run(tmp_path, "sh", call, tmp_path / "cache")
    page = (DOCS / "formats.md").read_text("utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    run(tmp_path, "python", snippet, tmp_path / "cache")
