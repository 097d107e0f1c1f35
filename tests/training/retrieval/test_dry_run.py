"""A dry run: ten steps, an estimate for all of them, nothing kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solar.training.retrieval.dry_run import dry_run
from solar.training.run.task import Watcher
from tests.training.small import small_recipe


class Lines(Watcher):
    """Keeps the log's lines."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def line(self, line: Any) -> None:
        self.all.append(dict(line))


def test_ten_steps_and_an_estimate_of_the_rest(
    tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solar.training.retrieval.dry_run.STEPS", 2)
    monkeypatch.setattr("solar.training.retrieval.dry_run.POOL", 5)
    recipe = small_recipe(tmp_path, model_folder, optimiser={"epochs": 30})
    recipe = replace(recipe, validation=None)
    before, lines = sorted(tmp_path.rglob("*")), Lines()
    found = dry_run(recipe, device="cpu", watchers=[lines])
    assert sorted(tmp_path.rglob("*")) == before
    events = [line["event"] for line in lines.all]
    assert events == ["step", "step"] and lines.all[0]["of"] == 2  # of four in an epoch
    # All photos are asked for at once, and there are fewer than asked for by default.
    photos, images = 14, 7 * 4
    epoch = photos / found.mined_per_second + images / found.images_per_second
    assert found.seconds == pytest.approx(30 * epoch, rel=0.15)
    assert found.memory is None or found.memory > 1e8
