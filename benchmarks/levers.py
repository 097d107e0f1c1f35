"""What each lever of extraction gives alone: predicted, measured, kept or dropped.

    python -m benchmarks.levers [--model solar-r18] [--int8 FOLDER] [--times 5]

Each is measured beside what it replaces, in turn, on made photos: of 12 megapixels where it is of
decoding, else prepared for the model. Predictions were written down before, see `LEVERS`.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.limits import machine
from solar.extraction import open_extractor
from solar.extraction.bench import make_photos
from solar.extraction.engines.batches import BatchExtractor
from solar.extraction.engines.openvino import one_core
from solar.files.threads import cores
from solar.models.checkpoints import load
from solar.models.document import read_document
from solar.models.registry import named
from solar.photos import decode

Work = Callable[[], object]

LEVERS = {
    "draft instead of whole decoding": ("2.5: a quarter of the pixels", "kept"),
    "decoding in processes instead of threads": ("1.0: libjpeg lets the lock go", "dropped"),
    "torch: batch norms folded": ("1.1: 20 passes over maps less", "dropped: OpenVINO folds them"),
    "torch: channels last": ("1.1: no reordering", "dropped: OpenVINO chooses"),
    "OpenVINO instead of torch": ("1.3: fused, less overhead", "kept"),
    "8 photos a batch instead of one": ("1.1: weights read once", "kept for equal shapes"),
    "two streams instead of two threads": ("1.2: nobody waits", "kept for many photos"),
    "scales side by side instead of in turn": ("1.1: small maps fill cores badly", "dropped"),
    "threads pinned to cores": ("1.0: nobody else runs", "OpenVINO's default"),
    "int8 convolutions": ("1.7: half the width, no VNNI", "kept, as another class"),
}


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--int8", type=Path, help="a model folder")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    print(machine() + "\n\n| lever | predicted | measured | |\n| --- | --- | ---: | --- |")
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photos(Path(folder), 8)
        for name, (before, after) in levers(given.model, given.int8, paths).items():
            predicted, kept = LEVERS[name]
            ratio = compared(before, after, given.times)
            print(f"| {name} | {predicted} | {ratio:.2f} | {kept} |", flush=True)


def compared(before: Work, after: Work, times: int) -> float:
    """How many times as fast the other is, run in turn; a first run of each does not count."""
    spent: tuple[list[float], list[float]] = [], []
    for _ in range(times + 1):
        for work, seconds in zip((before, after), spent, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    one, other = (median(seconds[1:]) for seconds in spent)
    return one / other


def levers(model: str, int8: Path | None, paths: Sequence[Path]) -> dict[str, tuple[Work, Work]]:
    """Pairs of what is done without and with each lever."""
    extractor = open_extractor(model)
    assert isinstance(extractor, BatchExtractor)
    size, scales = extractor.image_size, extractor.scales
    photo = decode(paths[0]).prepared(size)
    found = decoding(paths, size) | of_torch(model, photo)
    run = partial(graph_of, model)
    one = run(1)
    found["OpenVINO instead of torch"] = (found["torch: batch norms folded"][0], lambda: one(photo))
    eight = [photo] * 8
    found["8 photos a batch instead of one"] = (
        lambda: [one(photo) for _ in eight],
        lambda: one(*eight),
    )
    streams, pinned = run(cores()), {"ENABLE_CPU_PINNING": "YES"}
    pool = ThreadPoolExecutor(cores())
    found["two streams instead of two threads"] = (
        lambda: [one(each) for each in eight],
        lambda: list(pool.map(streams, eight)),
    )
    found["scales side by side instead of in turn"] = (
        lambda: [one(photo, scale=scale) for scale in scales],
        lambda: list(pool.map(lambda scale: streams(photo, scale=scale), scales)),
    )
    bound, free = run(1, pinned), run(1, {"ENABLE_CPU_PINNING": "NO"})
    found["threads pinned to cores"] = lambda: free(photo), lambda: bound(photo)
    if int8:
        small = graph_of(int8, 1)
        found["int8 convolutions"] = lambda: one(photo), lambda: small(photo)
    return found


def decoding(paths: Sequence[Path], size: int) -> dict[str, tuple[Work, Work]]:
    """Levers of decoding, with all cores."""
    threads, processes = (
        ThreadPoolExecutor(cores()),
        ProcessPoolExecutor(cores(), get_context("spawn")),
    )
    whole, draft = (partial(prepared, size=size, draft=draft) for draft in (False, True))
    return {
        "draft instead of whole decoding": (
            lambda: list(threads.map(whole, paths)),
            lambda: list(threads.map(draft, paths)),
        ),
        "decoding in processes instead of threads": (
            lambda: list(threads.map(draft, paths)),
            lambda: list(processes.map(draft, paths)),
        ),
    }


def prepared(path: Path, size: int, draft: bool) -> Image:
    """A photo as a network sees it."""
    return decode(path, wanted=size, draft=draft).prepared(size)


def of_torch(model: str, photo: Image) -> dict[str, tuple[Work, Work]]:
    """Levers of torch, one photo at one scale."""
    plain = load(model).eval()
    images = torch.rand(1, 3, photo.height, photo.width)
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    images_last = images.to(memory_format=torch.channels_last)
    without = torch.inference_mode()(lambda: plain(images))
    return {
        "torch: batch norms folded": (
            without,
            torch.inference_mode()(partial(folded(copy.deepcopy(plain)), images)),
        ),
        "torch: channels last": (without, torch.inference_mode()(partial(last, images_last))),
    }


def folded(network: nn.Module) -> nn.Module:
    """A network whose batch norms are in the convolutions before them."""
    for module in list(network.modules()):
        before: tuple[str, nn.Module] | None = None
        for name, part in list(module.named_children()):
            if isinstance(part, nn.BatchNorm2d) and before and isinstance(before[1], nn.Conv2d):
                setattr(module, before[0], fuse_conv_bn_eval(before[1], part))
                setattr(module, name, nn.Identity())
            before = name, part
    return network


def graph_of(
    model: str | Path, streams: int, more: dict[str, Any] | None = None
) -> Callable[..., object]:
    """OpenVINO's graph of a model: photos of one size, and a scale, in."""
    folder = Path(model) if Path(model).is_dir() else named(str(model)).path
    settings = {"NUM_STREAMS": str(streams), **(more or {})}
    compiled = one_core().compile_model(str(read_document(folder).graph), "CPU", settings)

    def run(*photos: Image, scale: float = 1.0) -> object:
        images = np.stack([np.asarray(photo) for photo in photos])
        inputs = {"photos": images, "scale": np.array([scale], np.float32)}
        return compiled.create_infer_request().infer(inputs)

    return run


if __name__ == "__main__":
    main()
