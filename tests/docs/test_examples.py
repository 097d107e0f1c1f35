"""The examples run as they stand, and each fits a screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import solar
from tests.docs.test_snippets import take_photos

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_each_fits_a_screen() -> None:
    for example in EXAMPLES.glob("*.py"):
        lines = example.read_text("utf-8").splitlines()
        assert len(lines) <= 80 and max(map(len, lines)) <= 100, example


@pytest.mark.slow
def test_a_search(tmp_path: Path) -> None:
    take_photos(tmp_path)
    command = [sys.executable, str(EXAMPLES / "search.py"), "photos", "my.index", "query.jpg"]
    for _ in range(2):  # made, then brought up to date
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0].endswith("02.png")


@pytest.mark.slow
def test_a_training_loop(tmp_path: Path) -> None:
    from examples.train import main

    take_photos(tmp_path)
    losses = main(str(tmp_path / "places"), str(tmp_path / "model"), size=64, steps=12)
    assert len(losses) == 12 and sum(losses[-4:]) < sum(losses[:4])
    assert solar.load(tmp_path / "model").describe(tmp_path / "query.jpg").shape == (512,)
