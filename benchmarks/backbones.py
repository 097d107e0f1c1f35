"""What backbones cost: dimensions, megabytes, milliseconds of a photo, for those who choose one.

    python -m benchmarks.backbones [--only NAME,…] [--image-size 512] [--times 3]

Weights are random, which changes neither bytes nor time. A photo of 4:3 is described at one scale
by torch in float32, without attention; times are the least of some, and processor time that of all
cores together, which other programs hardly change. No file is read or written. A network whose
package is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import torch

from benchmarks.limits import machine
from solar.errors import MissingPackage
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor

BACKBONES = {
    "resnet18": "a small index on a laptop; the bundled model's",
    "resnet50": "published retrieval weights (Radenović et al.)",
    "resnet101": "SOLAR as published",
    "timm:mobilenetv3_large_100.ra_in1k": "boards and phones",
    "timm:tf_efficientnet_lite2.in1k": "boards and phones",
    "timm:convnext_tiny.fb_in22k": "training, in place of ResNet-50",
    "timm:swin_tiny_patch4_window7_224.ms_in22k": "training, photos of one size",
    "timm:vit_small_patch14_dinov2.lvd142m": "photos without labels: DINOv2, self-supervised",
    "timm:vit_small_patch16_dinov3.lvd1689m": "likewise, of any size: DINOv3 (its own licence)",
    "timm:vit_base_patch14_dinov2.lvd142m": "likewise, with a graphics processor",
}
"""By name, when to take it."""


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="names, commas between")
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    print(f"{machine()}, {torch.get_num_threads()} threads, {given.image_size} px\n")
    print("| backbone | D | MB | ms a photo | processor ms | take it for |")
    print("| --- | ---: | ---: | ---: | ---: | --- |", flush=True)
    for name in given.only.split(",") if given.only else BACKBONES:
        try:
            network = GlobalDescriptor(GlobalConfig(name, ())).eval()
        except MissingPackage as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        wall, processor = measured(
            network, (given.image_size * 3 // 4, given.image_size), given.times
        )
        size = sum(parameter.numel() for parameter in network.parameters()) * 4 / 1e6
        numbers = (network.dimensions, size, 1000 * wall, 1000 * processor)
        cells = [name, *(f"{number:.0f}" for number in numbers), BACKBONES.get(name, "")]
        print("| " + " | ".join(cells) + " |", flush=True)


def measured(network: GlobalDescriptor, shape: Sequence[int], times: int) -> tuple[float, float]:
    """Seconds of a photo, and those of all cores together, the least of some after a first."""
    images = torch.rand(1, 3, *shape)
    spent = []
    for _ in range(times + 1):
        began = time.perf_counter(), time.process_time()
        network.describe_batch(images, (1.0,))
        spent.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    walls, processors = zip(*spent[1:], strict=True)
    return min(walls), min(processors)


if __name__ == "__main__":
    main()
