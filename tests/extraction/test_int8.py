"""Graphs that compute with 8 bits: near enough, a class of their own, and not for torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import solar
from solar.errors import CheckpointError, UsageError
from solar.extraction import collect, open_extractor
from solar.extraction.export import export
from solar.photos import find_photos
from tests.cli.runner import process
from tests.scenes import album

pytestmark = pytest.mark.slow
ENGINES = ("openvino", "onnx")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    album(folder, 4, (200, 150))
    return folder


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model, its convolutions in 8 bits."""
    folder = tmp_path_factory.mktemp("models")
    call = ("export", "solar-r18", "--to", "eight", "--precision", "int8", "--calibration", photos)
    done = process(*call, folder=folder)
    assert done.returncode == 0 and done.stderr == "", done.stderr  # no word of the quantiser's
    return folder / "eight"


@pytest.mark.parametrize("engine", ENGINES)
def test_descriptors_are_near_those_of_float32(engine: str, model: Path, photos: Path) -> None:
    paths = find_photos(photos)
    exact = collect(open_extractor("solar-r18", engine=engine, precision="float32"), paths)
    ours = open_extractor(model, engine=engine)
    cosines = (collect(ours, paths).descriptors * exact.descriptors).sum(1)
    assert cosines.min() > 0.97 and cosines.max() < 0.99999
    pooled = open_extractor(model, engine=engine, pooled=True)
    assert pooled.extraction.own_whitening is None
    assert pooled.extraction.fingerprint != ours.extraction.fingerprint
    maps = solar.attend(paths[0], (100, 75), model=model, engine=engine)
    theirs = solar.attend(paths[0], (100, 75), engine=engine)
    assert maps.trained == theirs.trained and np.allclose(maps.weights, theirs.weights, atol=0.05)


def test_its_numbers_lie_once_and_are_smaller(model: Path) -> None:
    graph, weights = model / "model.onnx", model / "model.safetensors"
    assert weights.stat().st_size < 0.4 * 4 * 12_000_000  # of float32's
    assert graph.stat().st_size < 200_000
    kinds = {tensor.data_type for tensor in onnx.load(graph).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds


def test_each_engine_is_a_class_that_meets_no_other(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    index = solar.Index.create(tmp_path / "my.index", model, engine="openvino")
    index.add(photos)
    query = find_photos(photos)[1]
    assert index.search(query, top=1)[0].path.endswith(query.name)
    with pytest.raises(UsageError, match=r"precision int8 \w{8} openvino, not int8 \w{8} onnx"):
        solar.Index.open(tmp_path / "my.index", engine="onnx").search(query)
    with pytest.raises(UsageError, match="was made with"):
        solar.Index.open(tmp_path / "my.index", "solar-r18").search(query)
    plain = solar.Index.create(tmp_path / "plain.index", "solar-r18")
    with pytest.raises(UsageError, match="was made with"):
        solar.Index.open(plain.folder, model)


def test_torch_refuses_it_in_one_line(model: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="an int8 model runs in --engine openvino or onnx"):
        solar.load(model)
    with pytest.raises(UsageError, match="an int8 model runs in openvino or onnx only"):
        open_extractor(model, engine="torch")
    for calibration, network, precision in (
        ([], "solar-r18", "int8"),
        (find_photos(photos), "solar-r18", "float32"),
        (find_photos(photos), "solar-local", "int8"),
    ):
        with pytest.raises(UsageError, match=r"--calibration PHOTOS go|networks of photos"):
            export(network, tmp_path / "no", precision=precision, calibration=calibration)
    assert not (tmp_path / "no").exists()
