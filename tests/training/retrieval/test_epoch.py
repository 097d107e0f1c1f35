"""Mining an epoch: the hardest negatives by the network, photos that cannot be read left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from solar.errors import SolarError
from solar.extraction import describe_one, open_extractor
from solar.training.retrieval.epoch import Mined, mine
from solar.training.retrieval.recipe import RetrievalRecipe
from solar.training.retrieval.sampling import Draw
from solar.training.retrieval.start import starting_model
from solar.training.retrieval.tuples import TrainingPhotos
from solar.training.run.processes import Processes
from tests.scenes import scene
from tests.training.small import small_recipe

ALL = np.arange(14)


def draw(queries: list[int], positives: list[int], pool: np.ndarray = ALL) -> Draw:
    return Draw(np.array(queries), np.array(positives), pool)


def mined(recipe: RetrievalRecipe, drawn: Draw) -> Mined:
    photos = TrainingPhotos(recipe)
    progress: list[tuple[str, int, int]] = []
    found = mine(
        starting_model(recipe), photos, drawn, recipe, Processes(), lambda *a: progress.append(a)
    )
    if progress:
        assert progress[-1][0] == "pool"
    return found


def test_negatives_are_the_most_similar_photos_of_other_places(
    tmp_path: Path, model_folder: Path
) -> None:
    recipe = small_recipe(tmp_path, model_folder)
    found = mined(recipe, draw([0, 11, 8], [2, 11, 9]))
    photos, model = TrainingPhotos(recipe), starting_model(recipe)
    extractor = open_extractor(model, image_size=64, scales=[1.0], precision="float32")
    rows = np.stack([describe_one(extractor, photos.path(n)) for n in range(14)])
    for row, query in zip(found.tuples.photos.tolist(), (0, 11, 8), strict=True):
        seen, wanted = {photos.places[query]}, []
        for other in np.argsort(-(rows @ rows[query]), kind="stable"):
            if photos.places[other] not in seen:
                seen.add(photos.places[other])
                wanted.append(int(other))
        assert row[0] == query and row[2:] == wanted[:2]
    assert found.tuples.photos[:, 1].tolist() == [2, 11, 9]
    assert found.photos == 14 and found.unreadable == [] and found.seconds > 0


def test_photos_that_cannot_be_read_are_left_out_and_named(
    tmp_path: Path, model_folder: Path
) -> None:
    recipe = small_recipe(tmp_path, model_folder)
    (tmp_path / "places/1/0.png").write_bytes(b"damaged")  # 3: a positive
    (tmp_path / "photos/02.png").unlink()  # 12: of the pool
    drawn = TrainingPhotos(recipe).draw(np.random.default_rng(0))
    (tmp_path / "photos/02.png").write_bytes(b"")  # listed again, but empty
    found = mined(recipe, draw([0, 4, 11], [1, 3, 11], np.append(drawn.pool, 12)))
    assert found.tuples.photos[:, 0].tolist() == [0, 11]
    assert not {3, 12} & set(found.tuples.photos.flatten().tolist())
    assert len(found.unreadable) == 2
    assert "photos/02.png" in found.unreadable[0] and "places/1/0.png" in found.unreadable[1]
    with pytest.raises(SolarError, match=r"no query and its positive can be read: .*: empty file"):
        mined(recipe, draw([4], [3]))


def test_a_missing_photo_with_a_relative_box_is_left_out(
    tmp_path: Path, model_folder: Path
) -> None:
    recipe = small_recipe(tmp_path, model_folder)
    names = [f"{place}{n}{place}{n}" for place in range(4) for n in range(2)]
    rows = "".join(f"{name},x,{name[0]}\n" for name in names)
    (tmp_path / "train.csv").write_text("id,url,landmark_id\n" + rows)
    boxes = "".join(f"{name},0.1 0.1 0.9 0.9\n" for name in names)
    (tmp_path / "boxes.csv").write_text("id,box\n" + boxes)
    for number, name in enumerate(names):
        if name != "1010":
            scene(number, (80, 60)).save(tmp_path / f"{name}.jpg")
    source = replace(recipe.photos[0], places="train.csv", boxes=("boxes.csv",))
    found = mined(replace(recipe, photos=(source,)), draw([0, 3], [1, 2], np.arange(8)))
    assert found.tuples.photos[:, :2].tolist() == [[0, 1]]
    assert 2 not in found.tuples.photos
    assert len(found.unreadable) == 1 and "1010.jpg" in found.unreadable[0]


def test_a_network_that_has_diverged_is_not_taken_for_missing_photos(
    tmp_path: Path, model_folder: Path
) -> None:
    recipe = small_recipe(tmp_path, model_folder)
    model = starting_model(recipe)
    with torch.no_grad():
        next(model.whiten.parameters()).fill_(torch.nan)
    drawn = draw([0], [1])
    with pytest.raises(SolarError, match="not finite: its training diverged"):
        mine(model, TrainingPhotos(recipe), drawn, recipe, Processes(), lambda *a: None)
