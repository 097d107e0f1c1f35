"""Published protocols count stored pixels; a person's photos are turned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solar.datasets import open_dataset, open_folder
from solar.evaluation.retrieval import evaluate
from solar.evaluation.retrieval._features import features_of_set
from solar.features import open_feature_extractor
from tests.rerank.views import street
from tests.scenes import album


def lay_on_its_side(path: Path) -> None:
    """The same pixels, said to need a turn."""
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(path) as photo:
        photo.save(path, exif=exif)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four photos and a query with a box, plain; beside it the same, all with a turn."""
    for name in ("plain", "turned"):
        paths = album(tmp_path / name / "jpg", 5, (120, 80))
        names = {"imlist": [path.stem for path in paths[:4]], "qimlist": [paths[4].stem]}
        gnd = [{"bbx": [20, 10, 110, 50], "ok": [0, 1], "junk": [2]}]
        (tmp_path / name / "gnd_toy.json").write_text(json.dumps({**names, "gnd": gnd}))
        for path in paths if name == "turned" else ():
            lay_on_its_side(path)
    return tmp_path


def test_a_published_protocol_reads_pixels_and_boxes_as_stored(
    dataset: Path, model_folder: Path
) -> None:
    plain, turned = (
        evaluate(open_dataset(dataset / name), model_folder, dataset / f"to-{name}", page=False)
        for name in ("plain", "turned")
    )
    for report in (plain, turned):
        assert report.protocol["decoding"] == "stored" and report.protocol["own_whitening"] == 32
    scores = [[hit.score for hit in report.ranks[0]] for report in (plain, turned)]
    assert scores[0] == scores[1]


def test_a_folder_is_turned(dataset: Path, model_folder: Path) -> None:
    for place, path in zip("aabb", (dataset / "turned" / "jpg").iterdir(), strict=False):
        (dataset / "places" / place).mkdir(parents=True, exist_ok=True)
        path.rename(dataset / "places" / place / path.name)
    report = evaluate(open_folder(dataset / "places"), model_folder, dataset / "to", page=False)
    assert report.protocol["decoding"] == "draft"


def test_features_of_a_published_set_are_those_of_stored_pixels(tmp_path: Path) -> None:
    extractor, found = open_feature_extractor("rootsift"), []
    paths = street(tmp_path / "jpg", 1, 2)
    gnd = [{"bbx": [100, 100, 400, 300], "ok": [1], "junk": [0]}]
    names = {"imlist": [path.stem for path in paths], "qimlist": [paths[0].stem]}
    (tmp_path / "gnd_toy.json").write_text(json.dumps({**names, "gnd": gnd}))
    for _ in range(2):
        found.append(features_of_set(extractor, open_dataset(tmp_path), turned=False))
        for path in paths:
            lay_on_its_side(path)
    for one, other in ((f.queries[0], g.queries[0]) for f, g in [found]):
        assert (one.width, one.height) == (other.width, other.height)
        assert np.array_equal(one.rows(), other.rows())
