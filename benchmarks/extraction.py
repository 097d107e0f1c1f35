"""Files to descriptors: Solar's engines against the published procedure and the limit, in one run.

    python -m benchmarks.extraction [PHOTOS] [--model solar-r18] [--count 24] [--int8 FOLDER]

PHOTOS is a folder; photos of 12 megapixels are made where none is given. `--large` measures
ResNet-101 with attention and random weights at 1,024 px instead, two photos of it, and how far
bfloat16 is from float32. The limit is the network's operations over what a large matrix product
reaches; the bound is that of the parts measured alone: decoding and network, all cores always busy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import torch
from PIL.Image import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.limits import machine, matrix_peak
from benchmarks.published import describe, published
from solar.extraction import Extractor, collect, open_extractor
from solar.extraction.bench import make_photos
from solar.extraction.engines.batches import BatchExtractor
from solar.extraction.export import export
from solar.files.threads import cores
from solar.models.checkpoints import load
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import decode, find_photos
from solar.typing import AnyPath, Descriptors

REPEATS = 3
LARGE = GlobalConfig("resnet101", whitening=2048)


def main() -> None:
    """Read the options, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--int8", type=Path, help="a model folder")
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    print(machine() + "\n", flush=True)
    print(large() if given.large else report(given.model, given.photos, given.count, given.int8))


def report(model: str, photos: Path | None, count: int, int8: Path | None = None) -> str:
    """Markdown: a row for each way, at the model's own size and scales."""
    with tempfile.TemporaryDirectory() as folder:
        paths = find_photos(photos) if photos else make_photos(Path(folder), count)
        step = max(1, len(paths) // count)
        return _compared(load(model), model, paths[::step][:count], int8)


def large(count: int = 2) -> str:
    """Markdown: ResNet-101 with attention at 1,024 px, random weights."""
    torch.manual_seed(0)
    network = GlobalDescriptor(LARGE, name="resnet101, random weights").eval()
    with tempfile.TemporaryDirectory() as folder:
        model = export(network, Path(folder) / "model")
        paths = make_photos(Path(folder), count)
        table = _compared(network, model, paths, None, repeats=1)
        one, other = (
            collect(open_extractor(network, scales=(1.0,), precision=name), paths[:1]).descriptors
            for name in ("float32", "bfloat16")
        )
    return f"{table}\n\nbfloat16, one scale: cosine {(one * other).sum():.6f} to float32"


def _compared(
    network: GlobalDescriptor,
    model: AnyPath,
    paths: Sequence[Path],
    int8: Path | None,
    repeats: int = REPEATS,
) -> str:
    size, theirs = network.config.image_size, published(network)
    ways: dict[str, Callable[[], Descriptors]] = {
        "published: one at a time, torch float32": lambda: describe(theirs, paths, size)
    }

    def add(name: str, extractor: Extractor) -> None:
        ways[name] = lambda: collect(extractor, paths).descriptors

    add("torch float32, upright", open_extractor(network, precision="float32", decoding="upright"))
    for engine, package, decodings in (
        ("openvino", "openvino", ("upright", "draft")),
        ("onnx", "onnxruntime", ("draft",)),
    ):
        for decoding in decodings if find_spec(package) else ():
            extractor = open_extractor(model, engine=engine, decoding=decoding)
            add(f"{engine}, {decoding}", extractor)
    if int8:
        add("openvino int8, draft", open_extractor(int8, engine="openvino"))
    first: tuple[float, Descriptors] | None = None
    lines = ["| way | photos/s | ratio | least cosine |", "| --- | ---: | ---: | ---: |"]
    for name, way in ways.items():
        found, seconds = way(), []
        for _ in range(repeats):
            began = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - began)
        rate = len(paths) / median(seconds)
        first = first or (rate, found)
        cosine = (found * first[1]).sum(1).min()
        lines.append(f"| {name} | {rate:.2f} | {rate / first[0]:.2f} | {cosine:.6f} |")
    assert first
    bound, limit = _bounds(network, open_extractor(model), paths)
    most = {"bound: draft and network measured alone": bound, "limit: operations alone": limit}
    lines += [f"| {name} | {rate:.2f} | {rate / first[0]:.2f} | |" for name, rate in most.items()]
    what = f"{network.name} at {size} px, {len(network.config.scales)} scales, {len(paths)} photos"
    return "\n".join([what, "", *lines])


def _bounds(
    network: GlobalDescriptor, extractor: Extractor, paths: Sequence[Path]
) -> tuple[float, float]:
    """Photos a second if decoding and network took what they take alone, and by operations."""
    decoding, running = alone(extractor, paths)
    image = decode(paths[0]).prepared(network.config.image_size)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.multi_scale(torch.zeros(1, 3, image.height, image.width))
    limit = matrix_peak() / counter.get_total_flops()
    return len(paths) / (decoding + running), limit


def alone(extractor: Extractor, paths: Sequence[Path]) -> tuple[float, float]:
    """Seconds of decoding and preparing all photos with all cores, and of the network for them."""
    assert isinstance(extractor, BatchExtractor)
    size, draft = extractor.image_size, extractor.extraction.decoding == "draft"
    decoding = running = 0.0

    def prepared(path: Path) -> Image:
        return decode(path, wanted=size, draft=draft).prepared(size)

    at_once = extractor._at_once(len(paths))
    with ThreadPoolExecutor(cores()) as pool:
        list(extractor._describe_window([(0, prepared(paths[0]))], pool, at_once))
        for start in range(0, len(paths), 256):
            began = time.perf_counter()
            window = list(enumerate(pool.map(prepared, paths[start : start + 256])))
            decoding += time.perf_counter() - began
            began = time.perf_counter()
            list(extractor._describe_window(window, pool, at_once))
            running += time.perf_counter() - began
    return decoding, running


if __name__ == "__main__":
    main()
