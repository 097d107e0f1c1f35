"""What speed rests on, by counts that no busy machine changes: decodes, batches, operators."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import JpegImagePlugin
from PIL.Image import Image

from solar.extraction import collect, open_extractor
from solar.extraction.engines import graph
from solar.extraction.engines.batches import BatchExtractor
from solar.extraction.engines.graph import GraphExtractor
from solar.extraction.engines.openvino import one_core
from solar.models.registry import BUNDLED
from solar.typing import Descriptors
from tests.scenes import scene


def test_a_photo_is_decoded_once_and_no_larger_than_twice_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(5)]
    for number, path in enumerate(paths):
        scene(number, (1600, 1200)).save(path)
    sizes, decoded = [], JpegImagePlugin.JpegImageFile.load_prepare

    def counted(image: JpegImagePlugin.JpegImageFile) -> None:
        sizes.append(image.size)
        decoded(image)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load_prepare", counted)
    collect(open_extractor("solar-r18", image_size=100, scales=(1.0,)), paths)
    assert sizes == [(200, 150)] * 5


def test_photos_of_one_shape_share_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number:02}.png" for number in range(20)]
    for number, path in enumerate(paths):
        scene(number, ((64, 48), (48, 64))[number % 2]).save(path)
    extractor, batches = open_extractor("solar-r18", engine="openvino", image_size=64), []
    assert isinstance(extractor, BatchExtractor)
    describe = extractor._describe_batch

    def counted(photos: list[Image], at_once: int) -> Descriptors:
        batches.append((len(photos), {photo.size for photo in photos}))
        return describe(photos, at_once)

    monkeypatch.setattr(extractor, "_describe_batch", counted)
    assert collect(extractor, paths).failures == ()
    assert [count for count, _ in batches] == [4, 4, 6, 6]  # a first window of 8, then 12
    assert all(len(shapes) == 1 for _, shapes in batches)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_many_photos_are_described_on_each_core_as_one_alone(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "cores", lambda: 2)
    paths = [tmp_path / f"{number:02}.png" for number in range(9)]
    for number, path in enumerate(paths):
        scene(number, ((64, 48), (48, 64))[number % 2]).save(path)
    paths[4].write_bytes(b"no photo")
    extractor = open_extractor("solar-r18", engine=engine, image_size=64)
    assert isinstance(extractor, GraphExtractor)
    described, asked = extractor._describe_batch, []

    def seen(photos: list[Image], at_once: int) -> Descriptors:
        asked.append(at_once)
        return described(photos, at_once)

    monkeypatch.setattr(extractor, "_describe_batch", seen)
    many = collect(extractor, paths)
    assert many.positions.tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert set(asked) == {2}
    alone = np.concatenate([collect(extractor, [paths[k]]).descriptors for k in many.positions])
    assert set(asked[-8:]) == {1}
    assert (many.descriptors * alone).sum(axis=1).min() > 0.99999
    large = open_extractor("solar-r18", engine=engine, image_size=2048)
    assert isinstance(large, GraphExtractor)
    assert large._at_once(1000) == 1  # each of them has all cores, and the memory


def test_the_compiled_graph_has_no_operator_too_many() -> None:
    pytest.importorskip("openvino")
    graph = str(BUNDLED / "solar-r18" / "model.onnx")
    compiled = one_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    kinds = Counter(
        str(operator.get_rt_info()["layerType"].astype(str))
        for operator in compiled.get_runtime_model().get_ops()
    )
    assert kinds["Convolution"] == 20 + 2 * 4  # of ResNet-18 and of two blocks of attention
    assert kinds["BatchNormInference"] == kinds["Relu"] == 0  # all of them are in convolutions
    assert kinds["Convert"] <= 2, kinds  # of photos: weights are float32 before it runs
    weights = compiled.create_infer_request().infer(
        {"photos": np.zeros((1, 32, 32, 3), np.uint8), "scale": np.ones(1, np.float32)}
    )
    assert next(iter(weights.values())).shape == (1, 512)
