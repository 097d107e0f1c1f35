"""What TensorBoard gets, read back."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solar.errors import SolarError
from solar.training.retrieval.task import SIDE
from solar.training.retrieval.tuples import Tuples
from solar.training.run.board import BoardWatcher
from solar.training.train import train
from tests.training.small import begun, small_recipe


@pytest.mark.slow
def test_numbers_tuples_and_attention_are_written(tmp_path: Path, model_folder: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = small_recipe(tmp_path, model_folder)
    run = tmp_path / "run"
    watcher = BoardWatcher(run)
    assert not run.exists()  # a run that is refused leaves nothing
    train(recipe, run, device="cpu", watchers=[watcher])
    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [line for line in log if line["event"] == "step"]
    for name in ("triplet", "second_order", "rate", "p", "seconds"):
        events = found.Scalars(f"step/{name}")
        assert [event.step for event in events] == list(range(1, 9))
        values = [line[name] for line in steps]
        assert [event.value for event in events] == pytest.approx(values, rel=1e-5)
    events = found.Scalars("validation/map")
    maps = [line["map"] for line in log if "map" in line]
    assert [event.value for event in events] == pytest.approx(maps)
    assert [event.step for event in events] == [0, 1, 2]
    tags = found.Tags()["images"]
    queries = {f"attention/{stage}, query {n}" for stage in ("conv4_x", "conv5_x") for n in (0, 1)}
    assert set(tags) == {"tuples"} | queries
    for tag in tags:
        pictures = found.Images(tag)
        assert [picture.step for picture in pictures] == [1, 2]
        picture = Image.open(io.BytesIO(pictures[0].encoded_image_string))
        if tag == "tuples":
            assert picture.size == (4 * SIDE, 7 * SIDE)
            assert np.asarray(picture)[:64, :64].std() > 1


def test_photos_that_cannot_be_read_end_no_training(tmp_path: Path, model_folder: Path) -> None:
    task = begun(replace(small_recipe(tmp_path, model_folder), validation=None))
    task.tuples = Tuples(np.array([[0, 1, 5, 6], [3, 4, 5, 6]]))
    (tmp_path / "places/0/0.png").unlink()
    ((name, sheet),) = task.samples()
    assert name == "tuples" and sheet.shape == (SIDE, 4 * SIDE, 3)  # the other tuple's
    assert [name for name, _ in task.views()] == [
        f"attention/{n}, query 1" for n in ("conv4_x", "conv5_x")
    ]


def test_without_tensorboard_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SolarError, match=r'pip install "solar-retrieval\[tensorboard\]"'):
        BoardWatcher(tmp_path)
