"""Patches cut and described in batches against one keypoint at a time, in one run.

One at a time is how published code goes: a cv2.warpAffine per keypoint in Python, from the right
level of OpenCV's pyramid, and a forward pass per patch. Both use the same SIFT keypoints and the
same network, whose weights are random: speed does not depend on them.

    python benchmarks/matching.py [--photo PHOTO] [--model FOLDER] [--keypoints 2000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from solar.features.detectors import SiftDetector
from solar.features.keypoints import Keypoints
from solar.features.patch_descriptor import of_network
from solar.features.patches import PhotoPyramid
from solar.matching.pair import IMAGE_SIZE
from solar.models.checkpoints import load_local
from solar.models.local_descriptor import LocalDescriptor
from solar.photos import open_photo, prepare
from solar.typing import GrayImage

Array = NDArray[np.float32]
SIDE, MAGNIFICATION, REPEATS = 32, 6.0, 3


def main() -> None:
    """Read the options, run each way three times, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, help="one is made where none is given")
    parser.add_argument("--model", help="a local model; random weights where none is given")
    parser.add_argument("--keypoints", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    network = load_local(options.model) if options.model else LocalDescriptor().eval()
    picture = prepare(open_photo(options.photo), IMAGE_SIZE) if options.photo else made()
    photo = np.array(picture.convert("L"))
    keypoints = inside(SiftDetector(options.keypoints)(photo), photo)
    print(f"{picture.width} x {picture.height} px, {len(keypoints)} keypoints,", end=" ")
    print("one thread\n\n| step | way | ms | ratio | difference |")
    print("| --- | --- | ---: | ---: | ---: |")
    patches = cut_one_by_one(photo, keypoints)
    compare(
        "cut, with the pyramid",
        lambda: cut_one_by_one(photo, keypoints),
        lambda: cut_together(photo, keypoints),
        "grey levels of 255",
    )
    compare(
        "describe",
        lambda: describe_one_by_one(network, patches),
        lambda: describe_together(network, patches),
        "of unit descriptors",
    )
    compare(
        "both",
        lambda: describe_one_by_one(network, cut_one_by_one(photo, keypoints)),
        lambda: of_network(network)(photo, keypoints),
        "of unit descriptors",
    )


def inside(keypoints: Keypoints, photo: GrayImage) -> Keypoints:
    """Those far from the border, beyond which each pyramid continues the photo in its own way."""
    reach = MAGNIFICATION * keypoints.size * (2**-0.5 + 8 / SIDE) + 8
    far = (keypoints.xy - reach[:, None] > 0) & (keypoints.xy + reach[:, None] < photo.shape[::-1])
    return keypoints.take(np.flatnonzero(far.all(axis=1)))


def compare(
    step: str, published: Callable[[], Array], ours: Callable[[], Array], unit: str
) -> None:
    """Print a row for each way, with the mean and greatest difference of their results."""
    results, times = zip(*(timed(way) for way in (published, ours)), strict=True)
    apart = np.abs(results[0] - results[1])
    print(f"| {step} | one at a time | {1000 * times[0]:.0f} | 1.00 | |")
    difference = f"mean {apart.mean():.1g}, max {apart.max():.1g} {unit}"
    ratio = times[0] / times[1]
    print(f"| {step} | together | {1000 * times[1]:.0f} | {ratio:.2f} | {difference} |", flush=True)


def timed(way: Callable[[], Array]) -> tuple[Array, float]:
    """The result, and the median CPU seconds, for which other work on the machine hardly counts."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        found = way()
        times.append(time.process_time() - started)
    return found, median(times)


def cut_one_by_one(photo: GrayImage, keypoints: Keypoints) -> Array:
    """(N, 1, 32, 32): one warp each, from the level where its samples lie about a pixel apart."""
    levels = [photo.astype(np.float32)]
    while min(levels[-1].shape) >= 32:
        levels.append(cv2.pyrDown(levels[-1]))
    patches = np.empty((len(keypoints), 1, SIDE, SIDE), np.float32)
    for row, (xy, size, angle) in enumerate(
        zip(keypoints.xy, keypoints.size, keypoints.angle, strict=True)
    ):
        step = size * MAGNIFICATION / SIDE
        level = int(np.clip(np.round(np.log2(step)), 0, len(levels) - 1))
        turn = np.deg2rad(angle)
        axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        axes *= step / 2**level
        corner = xy / 2**level - axes @ np.full(2, (SIDE - 1) / 2)
        patches[row, 0] = cv2.warpAffine(
            levels[level],
            np.column_stack([axes, corner]),
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return patches


def cut_together(photo: GrayImage, keypoints: Keypoints) -> Array:
    """(N, 1, 32, 32): as `solar match` does."""
    pyramid = PhotoPyramid(photo)
    return np.asarray(pyramid.patches(keypoints, size=SIDE, magnification=MAGNIFICATION))


@torch.inference_mode()
def describe_one_by_one(network: LocalDescriptor, patches: Array) -> Array:
    return np.concatenate([network(patch[None]).numpy() for patch in torch.from_numpy(patches)])


@torch.inference_mode()
def describe_together(network: LocalDescriptor, patches: Array) -> Array:
    """In batches of 128, as `PatchDescriptor` does on a CPU."""
    starts = range(0, len(patches), 128)
    batches = (torch.from_numpy(patches[start : start + 128]) for start in starts)
    return np.concatenate([network(batch).numpy() for batch in batches])


def made() -> Image.Image:
    """A photo of 1600 x 1200 pixels with thousands of keypoints at several scales."""
    random = np.random.default_rng(0)
    layers = np.zeros((1200, 1600, 3), np.float32)
    for side in (200, 50, 12):
        shape = (1200 // side, 1600 // side, 3)
        small = Image.fromarray(random.integers(0, 256, shape, np.uint8))
        layers += np.asarray(small.resize((1600, 1200), Image.Resampling.BICUBIC))
    return Image.fromarray((layers / 3).astype(np.uint8))


if __name__ == "__main__":
    main()
