"""Tuples: numbers of photos over several sources, images that depend on seed and place only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from solar.photos import open_photo
from solar.training.retrieval.tuples import (
    Images,
    TrainingPhotos,
    TupleImages,
    Tuples,
    pack,
    unpack,
)
from tests.training.small import small_recipe


def tensors(images: Images) -> list[torch.Tensor]:
    assert not isinstance(images, str), images
    return images


def test_sources_are_numbered_through(tmp_path: Path, model_folder: Path) -> None:
    photos = TrainingPhotos(small_recipe(tmp_path, model_folder))
    assert len(photos) == 14 and photos.alone == 1
    assert photos.places.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8]
    assert photos.path(9) == tmp_path / "places/4/1.png"
    assert photos.path(10) == tmp_path / "photos/00.png"
    assert [photos.labelled(n) for n in (0, 9, 10, 13)] == [True, True, False, False]
    assert photos.box(0) is None and photos.box(12) is None


def test_an_epoch_is_drawn_from_all_sources(tmp_path: Path, model_folder: Path) -> None:
    photos = TrainingPhotos(small_recipe(tmp_path, model_folder))
    pool: set[int] = set()
    for seed in range(8):
        drawn = photos.draw(np.random.default_rng(seed))
        labelled = drawn.queries < 10
        assert labelled.sum() == 5 and (~labelled).sum() == 2
        assert (photos.places[drawn.queries] == photos.places[drawn.positives]).all()
        assert ((drawn.queries == drawn.positives) == ~labelled).all()
        assert 7 not in drawn.queries  # alone in its place
        assert len(drawn.pool) == 12 and (drawn.pool < 10).sum() == 8
        pool |= set(drawn.pool.tolist())
    assert pool == set(range(14))
    orders = [(photos.draw(np.random.default_rng(s)).queries < 10).tolist() for s in range(5)]
    assert len({tuple(order) for order in orders}) > 1  # mixed, not one source after the other


def test_images_depend_on_seed_epoch_and_place_only(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder)
    photos, tuples = TrainingPhotos(recipe), Tuples(np.array([[0, 1, 5, 12], [11, 11, 3, 13]]))
    images = TupleImages(photos, tuples, recipe, epoch=0)
    first = [tensors(images[number]) for number in (0, 1)]
    again = [tensors(images[number]) for number in (1, 0)][::-1]
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert all(image.shape == (3, 64, 64) and image.dtype == torch.uint8 for image in first[0])
    # two visits to a photo without label; a labelled one is cropped, never photographed again
    assert not torch.equal(first[1][0], first[1][1])
    later = TupleImages(photos, tuples, recipe, epoch=1)
    seeded = replace(recipe, optimiser=replace(recipe.optimiser, seed=1))
    for changed in (later, TupleImages(photos, tuples, seeded, epoch=0)):
        assert not torch.equal(tensors(changed[1])[0], first[1][0])


def test_whole_photos_and_boxes(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder, tuples={"crop": "whole", "image_size": 40})
    (tmp_path / "list.csv").write_text(
        "path,place,box\n0/0.png,a,10 5 50 25\n0/1.png,a,\n1/0.png,b,\n2/0.png,c,\n"
    )
    source = replace(recipe.photos[0], places="list.csv", photos="places")
    recipe = replace(recipe, photos=(source,))
    images = TupleImages(TrainingPhotos(recipe), Tuples(np.array([[0, 1, 2, 3]])), recipe, 0)
    shapes = [tuple(image.shape) for image in tensors(images[0])]
    assert shapes == [(3, 20, 40), (3, 30, 40), (3, 30, 40), (3, 30, 40)]


def test_a_square_is_resized_bilinearly_as_released(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder, tuples={"image_size": 40})
    photos = TrainingPhotos(recipe)
    images = TupleImages(photos, Tuples(np.array([[0, 1, 5, 12]])), recipe, epoch=0)
    found = tensors(images[0])[0].permute(1, 2, 0).numpy()
    photo = open_photo(photos.path(0))
    side, spare = min(photo.size), max(photo.size) - min(photo.size)
    across = photo.width > photo.height
    resized = []
    for start in range(spare + 1):
        left, top = (start, 0) if across else (0, start)
        square = photo.crop((left, top, left + side, top + side))
        resized.append(np.asarray(square.resize((40, 40), Image.Resampling.BILINEAR)))
    assert any(np.array_equal(found, one) for one in resized)


def test_labels() -> None:
    tuples = Tuples(np.zeros((9, 4), np.int64))
    assert tuples.labels(2).tolist() == [-1, 1, 0, 0, -1, 1, 0, 0]


def test_packed_images_come_out_as_they_went_in() -> None:
    torch.manual_seed(0)
    sizes = [(3, 4, 5), (3, 1, 7), (3, 6, 2)]
    images = [torch.randint(0, 256, size, dtype=torch.uint8) for size in sizes]
    batch = pack([images[:2], images[2:]])
    assert not isinstance(batch, str) and batch[0].ndim == 1
    for found, image in zip(unpack(*batch), images, strict=True):
        assert torch.equal(found, image)
    nothing = pack([])
    assert not isinstance(nothing, str) and unpack(*nothing) == []
    assert pack([images, "a.jpg: no such file", images]) == "a.jpg: no such file"


@pytest.mark.parametrize("broken", ["missing", "damaged", "no size"])
def test_a_photo_that_cannot_be_read_any_more_is_named(
    tmp_path: Path, model_folder: Path, broken: str
) -> None:
    recipe = small_recipe(tmp_path, model_folder)
    photo = tmp_path / "places/0/1.png"
    if broken == "no size":  # a relative box needs the photo's size
        rows = "".join(f"{place}{n:02}00,x,{place}\n" for place in range(4) for n in range(2))
        (tmp_path / "train.csv").write_text("id,url,landmark_id\n" + rows)
        (tmp_path / "boxes.csv").write_text("id,box\n00100,0.1 0.1 0.9 0.9\n")
        source = replace(recipe.photos[0], places="train.csv", boxes=("boxes.csv",))
        recipe = replace(recipe, photos=(source,))
        photo = tmp_path / "00100.jpg"
    photos = TrainingPhotos(recipe)
    if broken == "missing":
        photo.unlink()
    elif broken == "damaged":
        photo.write_bytes(b"none")
    images = TupleImages(photos, Tuples(np.array([[1, 1, 3, 6]])), recipe, epoch=0)
    found = images[0]
    assert isinstance(found, str) and str(photo) in found and "\n" not in found
