"""No file made to hurt costs more than a little memory and time, or writes to standard error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.photos.hurtful import STATUS

SECONDS, MEGABYTES = 5.0, 300


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="measures memory through /proc, so Linux only")
def test_files_made_to_hurt_cost_little_and_say_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.photos.hurtful"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    assert len(rows) >= 50
    for name, outcome, seconds, megabytes, lines in rows:
        assert outcome == "photo" or outcome.startswith("a: "), name
        assert float(seconds) < SECONDS, name
        assert int(megabytes) < MEGABYTES, name
        assert int(lines) == 0, name
    refused = {name for name, outcome, *_ in rows if outcome != "photo"}
    names = {row[0] for row in rows}
    harmful = {"tiff group3 damaged", "tiff group4 damaged", "avif small header", "jpeg cut, large"}
    assert harmful & names <= refused
    assert not refused & {"jpeg fill bytes", "jpeg no end, large", "png text bomb", "gif comment"}
