"""Recipes of global networks: what they say, and how wrong ones are refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from solar.errors import SolarError, UsageError
from solar.models.registry import named
from solar.training.retrieval.start import starting_model
from solar.training.retrieval.task import validate
from solar.training.retrieval.tuples import TrainingPhotos
from solar.training.train import read_recipe
from tests.scenes import album, scene
from tests.training.small import retrieval, small_recipe, small_tables

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
GOOD: dict[str, Any] = {"model": {"start": "solar-r18"}, "photos": [{"folder": "photos"}]}


def test_what_is_left_out_is_the_paper_s() -> None:
    recipe = retrieval(GOOD, Path("there"))
    assert recipe.base == Path("there") and recipe.validation is None
    assert (recipe.loss.first_order, recipe.loss.margin, recipe.loss.weight) == (
        "triplet",
        1.25,
        10,
    )
    assert (recipe.photos[0].queries, recipe.photos[0].pool) == (2000, 20_000)
    assert (recipe.optimiser.tuples, recipe.tuples.negatives) == (8, 5)
    assert (recipe.optimiser.learning_rate, recipe.optimiser.decay) == (1e-6, 0.01)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": {}}, "recipe: unknown key 'data'"),
        ({"model": None}, r"recipe: needs \[model\]$"),
        ({"task": "sorting"}, "recipe: task 'sorting': use 'retrieval' or 'patches' or"),
        ({"model": {}}, r"\[model\]: needs 'start'"),
        ({"model": {"start": 1}}, r"\[model\] start 1: use a text"),
        ({"model": {"start": "x", "attention": [3]}}, r"\[model\] attention 3: use a text"),
        ({"photos": None}, r"recipe: needs \[\[photos\]\]"),
        ({"photos": {"folder": "x"}}, r"recipe: needs \[\[photos\]\]"),
        ({"photos": [{}]}, r"\[\[photos\]\] number 1: give either 'places'"),
        (
            {"photos": [{"folder": "x"}, {"folder": "x", "places": "y"}]},
            r"\[\[photos\]\] number 2: give either 'places'",
        ),
        ({"photos": [{"folder": "x", "boxes": ["y"]}]}, "number 1: 'photos' and 'boxes' belong"),
        ({"photos": [{"folder": "x", "pool": 0}]}, "number 1: pool is 0; choose 1 or more"),
        ({"tuples": {"negative": 3}}, r"\[tuples\]: unknown key 'negative'"),
        ({"tuples": {"negatives": 0}}, r"\[tuples\]: negatives is 0; choose 1"),
        ({"loss": {"margin": float("nan")}}, r"\[loss\]: margin is nan; choose 0"),
        ({"optimiser": {"epochs": 1.5}}, r"\[optimiser\] epochs 1.5: use a whole number"),
        ({"optimiser": {"decay": -1}}, r"\[optimiser\]: decay is -1"),
        ({"optimiser": {"tuples": 0}}, r"\[optimiser\]: tuples is 0; choose 1 or more"),
        ({"validation": {"every": 2}}, r"\[validation\]: needs 'places'"),
        ({"validation": {"places": "x", "scales": []}}, r"\[validation\]: scales"),
        ({"validation": {"places": "x", "scales": [1, 60]}}, "scales is 60.0; choose 0.0625 to 8"),
        ({"optimiser": {"max_steps": 0}}, r"\[optimiser\]: max_steps is 0"),
        ({"optimiser": {"rates": {"conv5_x": -1}}}, "rates must not be negative"),
        ({"validation": {"places": "x", "image_size": 0}}, r"\[validation\]: image_size is 0"),
        ({"visit": {"angle": 90}}, r"\[visit\]: angle is 90"),
    ],
)
def test_wrong_recipes_are_refused_by_table_and_key(changed: dict[str, Any], message: str) -> None:
    tables = copy.deepcopy(GOOD)
    tables.update(changed)
    given = {name: table for name, table in tables.items() if table is not None}
    with pytest.raises(UsageError, match=message) as error:
        read_recipe(given, Path())
    assert "\n" not in str(error.value)


def photos_error(tables: dict[str, Any], folder: Path) -> str:
    with pytest.raises(UsageError) as error:
        TrainingPhotos(retrieval(tables, folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_photos_that_make_no_tuples_are_refused_before_training(
    tmp_path: Path, model_folder: Path
) -> None:
    tables = small_tables(tmp_path, model_folder)
    for place in range(3):
        (tmp_path / f"alone/{place}").mkdir(parents=True)
        scene(place, (64, 64)).save(tmp_path / f"alone/{place}/0.png")
    (tmp_path / "empty").mkdir()
    number = "[[photos]] number 1"
    for source, message in {
        "gone": f"{number} places: {tmp_path / 'gone'}: no such file",
        "empty": f"{number} places: {tmp_path / 'empty'}: holds no photos",
        "alone": f"{number} places: none of the 3 photos shares its place",
    }.items():
        tables["photos"] = [{"places": source}]
        assert photos_error(tables, tmp_path).startswith(message)
    tables["photos"] = [{"folder": "empty"}]
    assert "number 1 folder: " in photos_error(tables, tmp_path)
    tables["photos"] = [{"folder": "gone"}]
    assert "number 1 folder: " in photos_error(tables, tmp_path)
    tables["photos"] = [{"places": "places", "pool": 1}]
    assert "[tuples] negatives 2: the pool has 1 photos" in photos_error(tables, tmp_path)
    tables["tuples"]["negatives"] = 5
    tables["photos"] = [{"places": "places"}]
    error = photos_error(tables, tmp_path)
    assert "[tuples] negatives 5: the photos show 5 places, a tuple needs 6" in error


def test_a_start_that_cannot_be_trained_is_refused(tmp_path: Path, model_folder: Path) -> None:
    tables = small_tables(tmp_path, model_folder)
    for changed, message in (
        ({"attention": ["conv4_x"]}, r"\[model\] attention: .* has it after conv5_x; list"),
        ({"attention": ["conv6_x"]}, r"\[model\] attention: no stage 'conv6_x': use one of conv1,"),
        ({"freeze": "all"}, r"\[model\] freeze: no stage 'all': use one of conv1,"),
    ):
        with pytest.raises(UsageError, match=message):
            recipe = {**tables, "model": {**tables["model"], **changed}}
            starting_model(retrieval(recipe, tmp_path))
    tables = {**GOOD, "model": {"start": "nowhere"}}
    with pytest.raises(SolarError, match=r"\[model\] start: nowhere: neither a file"):
        starting_model(retrieval(tables, tmp_path))


def test_places_to_validate_with_that_are_not_there(tmp_path: Path, model_folder: Path) -> None:
    recipe = small_recipe(tmp_path, model_folder, validation={"places": "gone"})
    assert recipe.validation
    with pytest.raises(UsageError, match=r"\[validation\] places: .*gone: no such file"):
        validate(starting_model(recipe), recipe.validation, tmp_path)


def test_the_paper_s_recipe() -> None:
    recipe = retrieval(RECIPES / "paper-gl18.toml", RECIPES)
    assert named(recipe.model.start).training_data == "Google Landmarks 2018"
    assert (recipe.tuples.negatives, recipe.optimiser.tuples) == (5, 8)
    assert (recipe.tuples.image_size, recipe.tuples.crop) == (1024, "square")
    assert (recipe.photos[0].queries, recipe.photos[0].pool) == (2000, 20_000)
    assert (recipe.optimiser.learning_rate, recipe.optimiser.decay) == (1e-6, 0.01)
    assert (recipe.loss.margin, recipe.loss.weight, recipe.loss.second_order) == (1.25, 10, "batch")


def test_the_recipe_to_copy_can_be_followed(tmp_path: Path) -> None:
    recipe = retrieval(RECIPES / "own-photos.toml", tmp_path)
    assert recipe.photos[0].folder == "photos" and recipe.validation is None
    album(tmp_path / "photos", 8, (40, 40))
    assert len(TrainingPhotos(recipe)) == 8
    # what is commented out with one mark is right, too
    text = (RECIPES / "own-photos.toml").read_text().replace("\n#: ", "\n")
    (tmp_path / "labelled.toml").write_text(text)
    labelled = retrieval(tmp_path / "labelled.toml", tmp_path)
    assert labelled.photos[1].places and labelled.validation
