"""What 8-bit convolutions cost in accuracy, and give in speed, in each engine.

    python benchmarks/int8.py CALIBRATION DATASET... [--model solar-r18] [--time 8]

CALIBRATION is a folder of photos like those that will be described; a DATASET has a ground truth
(gnd_*.json) or sub-folders that are places. With --time also milliseconds for a photo of 448 x 336
px at one scale, the best of so many, which wants a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from solar.evaluation.retrieval import evaluate
from solar.extraction import Extractor, collect, open_extractor
from solar.extraction.engines.choose import document_of, open_graph
from solar.extraction.engines.graph import PHOTOS, SCALE
from solar.extraction.export import export
from solar.models.registry import GLOBAL
from solar.photos import find_photos


def main() -> None:
    """Read the options, export, measure, print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calibration", type=Path)
    parser.add_argument("datasets", type=Path, nargs="*")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--time", type=int, default=0)
    parser.add_argument("--cosines", type=int, default=40, help="photos to compare one by one")
    options = parser.parse_args()
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
