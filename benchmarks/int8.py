"""What 8-bit convolutions cost in accuracy, and give in speed, in each engine.

    python -m benchmarks.int8 CALIBRATION DATASET... [--model solar-r18] [--time 8] [--ways]

CALIBRATION is a folder of photos like those that will be described; a DATASET has a ground truth
(gnd_*.json) or sub-folders that are places. With --time also milliseconds for a photo of 448 x 336
px at one scale, the best of so many, which wants a machine that does nothing else. With --ways
also how near to float32 other ways of calibrating come, on 16 photos of the first DATASET,
stretched to one size, which histograms need (PyTorch: the extra `train`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.evaluation.retrieval import evaluate
from solar.extraction import Extractor, collect, open_extractor
from solar.extraction.engines.choose import document_of, open_graph
from solar.extraction.engines.graph import PHOTOS, SCALE
from solar.extraction.export import export
from solar.models.registry import GLOBAL
from solar.photos import find_photos

ONE_SIZE, SOME = (448, 336), 16


def main() -> None:
    """Read the options, export, measure, print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calibration", type=Path)
    parser.add_argument("datasets", type=Path, nargs="*")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--time", type=int, default=0)
    parser.add_argument("--cosines", type=int, default=40, help="photos to compare one by one")
    parser.add_argument("--ways", action="store_true")
    options = parser.parse_args()
    if options.ways:
        ways(options.model, find_photos(options.calibration), find_photos(options.datasets[0]))
    photos = find_photos(options.calibration)
    with tempfile.TemporaryDirectory() as folder:
        eight = Path(folder, "int8")
        export(options.model, eight, precision="int8", calibration=photos)
        runs = [
            ("float32, openvino", options.model, "openvino"),
            ("int8, openvino", eight, "openvino"),
            ("float32, onnx", options.model, "onnx"),
            ("int8, onnx", eight, "onnx"),
        ]
        if options.time:
            for name, model, engine in runs:
                print(f"{name}: {milliseconds(model, engine, options.time):.1f} ms", flush=True)
        for dataset in options.datasets:
            table(dataset, [run for run in runs if run[0] != "float32, onnx"], options.cosines)


def table(dataset: Path, runs: list[tuple[str, str | Path, str]], count: int) -> None:
    """One data set's mAP and cosines to the first run, as Markdown."""
    print(f"\n| {dataset.name} | mAP | mean cosine | least |\n| --- | --- | ---: | ---: |")
    some = find_photos(dataset)
    some = some[:: max(1, len(some) // count)][:count]
    exact = None
    for name, model, engine in runs:
        decoding = "stored" if any(dataset.glob("gnd_*")) else "upright"
        extractor = open_extractor(model, engine=engine, precision="float32", decoding=decoding)
        rows = collect(extractor, some).descriptors
        exact = rows if exact is None else exact
        cosines = (rows * exact).sum(1)
        figures = f"{cosines.mean():.4f} | {cosines.min():.4f}"
        print(f"| {name} | {accuracy(dataset, extractor)} | {figures} |", flush=True)


def ways(model: str, calibration: list[Path], photos: list[Path]) -> None:
    """Cosines to float32 by way of calibrating and engine, as Markdown."""
    print(
        "| calibration | activations, weights | ONNX Runtime mean, least | OpenVINO mean, least |"
    )
    print("| --- | --- | ---: | ---: |")
    from solar.models.checkpoints import load, save

    with tempfile.TemporaryDirectory() as folder:
        learn, seen = (
            stretched(some, Path(folder, str(n))) for n, some in enumerate((calibration, photos))
        )
        network = load(model)
        network.config = replace(network.config, scales=(1.0,))
        plain = Path(folder, "plain")
        save(network, plain)
        exact = graph_rows(model, "onnx", seen)
        for name in ("MinMax", "Entropy", "Percentile"):
            for activations, narrow in (("QUInt8", False), ("QUInt8", True), ("QInt8", False)):
                to = Path(folder, f"{name}-{activations}-{narrow}")
                with calibrated(name, activations, narrow):
                    export(plain, to, precision="int8", calibration=learn)
                cosines = [(graph_rows(to, e, seen) * exact).sum(1) for e in ("onnx", "openvino")]
                words = " | ".join(f"{c.mean():.4f}, {c.min():.4f}" for c in cosines)
                print(
                    f"| {name} | {activations}, {7 if narrow else 8} bits | {words} |", flush=True
                )


@contextmanager
def calibrated(method: str, activations: str, narrow: bool) -> Iterator[None]:
    """Exports meanwhile find the ranges of numbers in another way."""
    from onnxruntime import quantization

    made = quantization.quantize_static
    more: dict[str, Any] = {
        "calibrate_method": getattr(quantization.CalibrationMethod, method),
        "activation_type": getattr(quantization.QuantType, activations),
        "reduce_range": narrow,
    }
    if method == "Percentile":
        more["extra_options"] = {"CalibPercentile": 99.99}

    def other(*arguments: Any, **usual: Any) -> None:
        made(*arguments, **{**usual, **more})

    with patch.object(quantization, "quantize_static", other):
        yield


def stretched(photos: list[Path], to: Path) -> list[Path]:
    """Some of the photos, of one size."""
    to.mkdir()
    made = []
    for number, path in enumerate(photos[:: max(1, len(photos) // SOME)][:SOME]):
        made.append(to / f"{number}.png")
        with Image.open(path) as photo:
            photo.convert("RGB").resize(ONE_SIZE).save(made[-1])
    return made


def graph_rows(model: str | Path, engine: str, photos: list[Path]) -> NDArray[np.float32]:
    """Descriptors at one scale."""
    extractor = open_extractor(model, engine=engine, precision="float32", scales=(1.0,))
    return collect(extractor, photos).descriptors


def accuracy(dataset: Path, extractor: Extractor) -> str:
    """MAP by protocol, in percent."""
    with tempfile.TemporaryDirectory() as folder:
        report = evaluate(dataset, extractor, Path(folder, "report"), bad_photos="skip", page=False)
    return "/".join(f"{100 * r.map:.2f}" for r in report.results.values() if r.map is not None)


def milliseconds(model: str | Path, engine: str, repeats: int) -> float:
    """The best time of one photo at one scale."""
    document = document_of(str(model), GLOBAL)
    assert document is not None
    graph = open_graph(document, engine, "float32")
    photos = np.random.default_rng(0).integers(0, 256, (1, 336, 448, 3), np.uint8)
    inputs = {PHOTOS: photos, SCALE: np.ones(1, np.float32)}
    best = float("inf")
    for _ in range(repeats + 1):
        start = time.perf_counter()
        graph.run(inputs)
        best = min(best, time.perf_counter() - start)
    return 1000 * best


if __name__ == "__main__":
    main()
