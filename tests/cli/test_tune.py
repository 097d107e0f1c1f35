"""solar index --kind on an index that is there, and solar tune."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from solar.index import Index
from solar.index.vectors import KINDS, listed
from tests.cli.runner import solar, succeed
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With an index `i` of few photos, of which lists are made as if they were many."""
    monkeypatch.setattr(listed, "ENOUGH", 100)
    monkeypatch.setattr(listed, "_LEAST_SAMPLE", 300)
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None)
    names = [f"{n}.jpg" for n in range(400)]
    rows = np.stack([describe_bytes(name.encode()) for name in names])
    index.add_descriptors(names, rows, EXTRACTION)
    return tmp_path


def test_an_index_is_converted_and_tuned(folder: Path) -> None:
    done = solar("tune", "i", folder=folder)
    assert done.returncode == 2 and "nothing to tune" in done.stderr
    told = succeed("index", "--to", "i", "--kind", "ivf-rabitq", folder=folder)
    assert "i: 400 photos\n" in told and "kind ivf-rabitq: 34 bytes a photo" in told
    text = succeed("tune", "i", "--queries", 5, "--to", "t.svg", folder=folder)
    assert "comparing all takes" in text and text.count("kept from now on") == 1
    drawn = ET.parse(folder / "t.svg")  # noqa: S314
    assert len(drawn.findall(".//{*}circle")) >= 3
    found = json.loads(
        succeed("tune", "i", "--queries", 5, "--recall", 0.5, "--json", folder=folder)
    )
    assert found["chosen"] in found["settings"] and found["chosen"]["recall_at_10"] >= 0.5
    assert solar("tune", "i", "--to", "t.png", folder=folder).returncode == 2
    assert solar("tune", "i", "--recall", 7, folder=folder).returncode == 2
    (folder / "u.svg").write_text("mine")
    assert solar("tune", "i", "--to", "u.svg", folder=folder).returncode == 2
    assert (folder / "u.svg").read_text() == "mine"
    done = solar("index", "--to", "i", "--kind", "round", folder=folder)
    assert done.returncode == 2 and f"use {', '.join(KINDS)}" in done.stderr
    assert Index.open(folder / "i").kind == "ivf-rabitq"
