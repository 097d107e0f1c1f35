"""The benchmark of rivals on a few drawings: every row, resumed, and its page filled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.rivals import MARKS, Bench, fill
from tests.scenes import album, scene

pytestmark = pytest.mark.slow


def test_every_rival_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLAR_CACHE", str(tmp_path / "cache"))
    for place in range(2):
        folder = tmp_path / "data" / "gld-web" / str(place)
        folder.mkdir(parents=True)
        for number in range(2):
            scene(place, (200, 160)).crop((10 * number, 0, 200, 160)).save(folder / f"{number}.png")
    album(tmp_path / "data" / "landmarks-unlabelled", 12, (200, 160))
    bench = Bench(tmp_path / "data", tmp_path / "kept", 12)
    bench.measure("gld-web")
    kept = bench.kept()
    assert len(kept) == 1 + 2 * 6 + 2 * (1 + 2 * 3 + 2)
    assert all(0.3 < found["gld-web"]["classic"] <= 1 for found in kept.values())
    written = bench.figures.stat().st_mtime_ns
    Bench(tmp_path / "data", tmp_path / "kept", 12).measure("gld-web")
    assert bench.figures.stat().st_mtime_ns == written
    table = bench.table(["gld-web"])
    assert table.count("\n| ") == 2 + len(kept) and "learned from 12 photos" in table
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    fill(page, table)
    fill(page, table)
    assert page.read_text() == f"before\n{MARKS[0]}\n{table}\n{MARKS[1]}\nafter\n"
    assert json.loads(bench.figures.read_text()) == kept
