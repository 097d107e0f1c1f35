"""Photos per second: this package's extraction against the published procedure, in one run.

The published procedure describes one photo at a time: decode, resize, float32, three scales. Both
use the same network and the same photos; photos are made here unless a folder is given.

    python benchmarks/extraction.py [--photos FOLDER] [--model solar-r18] [--count 60]
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from solar.extraction import collect, open_extractor
from solar.models.checkpoints import load
from solar.models.device import choose_precision
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import find_photos, normalise, open_photo, prepare

Descriptors = NDArray[np.float32]


def main() -> None:
    """Read the options, run each way three times, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="folder; photos are made where none is given")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--count", type=int, default=60)
    options = parser.parse_args()
    model = load(options.model)
    size = options.image_size or model.config.image_size
    with tempfile.TemporaryDirectory() as folder:
        paths = find_photos(options.photos) if options.photos else made(Path(folder), options.count)
        compare(model, paths[: options.count], size)


def compare(model: GlobalDescriptor, paths: Sequence[Path], size: int) -> None:
    """Print one row per way."""
    ways: dict[str, Callable[[], Descriptors]] = {
        "one at a time, float32 (published)": lambda: one_at_a_time(model, paths, size),
        "batches, float32": lambda: batches(model, paths, size, "float32"),
        "batches, bfloat16": lambda: batches(model, paths, size, "bfloat16"),
    }
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads,", end=""
    )
    fast = "yes" if choose_precision("auto", model.device) is torch.bfloat16 else "no"
    print(f" bfloat16 in hardware: {fast}, {len(paths)} photos at {size} px\n")
    print("| way | photos/s | ratio | least cosine to the first |\n| --- | --- | --- | --- |")
    first: tuple[float, Descriptors] | None = None
    for name, way in ways.items():
        way()
        times = []
        for _ in range(3):
            started = time.perf_counter()
            found = way()
            times.append(time.perf_counter() - started)
        speed = len(paths) / median(times)
        first = first or (speed, found)
        cosine = (found * first[1]).sum(1).min()
        print(f"| {name} | {speed:.1f} | {speed / first[0]:.2f} | {cosine:.6f} |", flush=True)


@torch.inference_mode()
def one_at_a_time(model: GlobalDescriptor, paths: Sequence[Path], size: int) -> Descriptors:
    """As the published loop goes: a batch of one, contiguous, float32."""
    rows = []
    for path in paths:
        photo = prepare(open_photo(path), size)
        image = torch.from_numpy(normalise(photo, model.mean, model.std))
        rows.append(model.multi_scale(image[None])[0].numpy())
    return np.stack(rows)


def batches(
    model: GlobalDescriptor, paths: Sequence[Path], size: int, precision: str
) -> Descriptors:
    """As `solar index` goes."""
    extractor = open_extractor(model, image_size=size, precision=precision)
    return collect(extractor, paths).descriptors


def made(folder: Path, count: int) -> list[Path]:
    """Photo-like JPEG files of 12 megapixels, two thirds of them upright."""
    random = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (96, 128, 3), np.uint8))
        shape = (4000, 3000) if number % 3 else (3000, 4000)
        small.resize(shape, Image.Resampling.BICUBIC).save(folder / f"{number:03}.jpg", quality=90)
    return find_photos(folder)


if __name__ == "__main__":
    main()
