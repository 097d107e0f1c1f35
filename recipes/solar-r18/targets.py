"""Descriptors of the recipe's photos by several networks together, for `[distillation] targets`.

Each network sees the whole photo at one scale (EfficientNet-Lite at two, summed, GeM, whitened by
PCA). Their unit descriptors are put side by side, centred, and turned onto their principal axes.
Photos that look like one of the sets that are to choose or to be reported are left out. What was
described is kept beside the file: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from teachers import LITE, Eye, lite
from torch.nn import functional as F

import solar
from solar.cli.console import progress
from solar.datasets import open_labelled
from solar.errors import UsageError
from solar.extraction import Extractor, open_extractor
from solar.extraction.describe import describe_to_file
from solar.extraction.descriptors import DescriptorsFile
from solar.files import read_toml, write_atomically
from solar.models.pooling import GeM
from solar.models.whitening import Whitening
from solar.unit import of_unit_length

RECIPE = Path(__file__).with_name("recipe.toml")
SIDES = (260, 384)  # longest, in pixels: the network's own, and half as much again
POWER, DIMENSIONS = 0.5, 512
Rows = NDArray[np.float32]


def main() -> None:
    """Read the options, describe what is not described, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--networks", nargs="+", required=True, help="models, efficientnet-lite2")
    parser.add_argument("--sets", type=Path, nargs="*", default=[], help="to look like none of")
    parser.add_argument("--to", type=Path, required=True, help="the .npz")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--nearest", type=float, default=0.45, help="cosine to one of the sets")
    options = parser.parse_args()
    folders = [options.photos / name for name in read_toml(options.recipe, UsageError)["photos"]]
    sets = [path for each in options.sets for path in open_labelled(each).database]
    parts = []
    for number, name in enumerate(options.networks):
        kept = options.to.with_suffix(f".{number}"), options.to.with_suffix(f".{number}-sets")
        extractor = lite_extractor(name) if name.startswith(LITE) else one_scale(name)
        ours = described(extractor, folders, kept[0])
        theirs = described(extractor, sets, kept[1]).descriptors if sets else ours.descriptors[:0]
        parts.append(both(name, ours.descriptors, theirs))
    rows, theirs = (of_unit_length(np.concatenate(side, 1)) for side in zip(*parts, strict=True))
    near = (rows @ theirs.T).max(1, initial=-1) > options.nearest
    axes = reduced(Whitening.pca(rows[~near], 0))
    with write_atomically(options.to) as file:
        np.savez(file, paths=ours.paths[~near], rows=axes.apply(rows[~near]))
    print(f"{options.to}: {np.sum(~near)} photos; {np.sum(near)} left out, they look like the sets")


def one_scale(name: str) -> Extractor:
    """A model of Solar's."""
    return open_extractor(name, scales=(1.0,), precision="float32")


def lite_extractor(name: str) -> Extractor:
    """GeM of EfficientNet-Lite's last map, summed over two sizes of the photo."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    eye, pool = Eye(*lite(name)).to(device), GeM().to(device)

    @torch.inference_mode()
    def described_at_both(photo: Image.Image) -> Any:
        found = []
        for side in SIDES:
            scale = side / max(photo.size)
            size = [max(32, round(length * scale)) for length in photo.size]
            pixels = np.array(photo.resize((size[0], size[1]), Image.Resampling.BICUBIC))
            image = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device) / 255
            found.append(F.normalize(pool(eye(image)))[0].cpu())
        return sum(found)

    return solar.extractor(described_at_both, name=name, dimensions=1280, image_size=max(SIDES))


def described(extractor: Extractor, photos: Sequence[Path], kept: Path) -> DescriptorsFile:
    """Their descriptors, made or read."""
    file = kept.with_name(f"{kept.name}.npz")
    if not file.exists():
        with progress(f"describing, {kept.name}") as show:
            describe_to_file(extractor, photos, file, show)
    return DescriptorsFile.load(file)


def both(name: str, ours: Rows, theirs: Rows) -> tuple[Rows, Rows]:
    """Of the recipe's photos and of the sets, whitened if that is not done."""
    if not name.startswith(LITE):
        return ours, theirs
    whitening = reduced(Whitening.pca(ours, POWER))
    return whitening.apply(ours), whitening.apply(theirs)


def reduced(whitening: Whitening) -> Whitening:
    """To `DIMENSIONS`, if it has as many."""
    return whitening.reduced(min(DIMENSIONS, len(whitening.projection)))


if __name__ == "__main__":
    main()
