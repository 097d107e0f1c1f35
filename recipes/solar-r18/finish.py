"""Whiten the distilled network, choose its settings on validation places, write the model.

For each image size and number of dimensions: whitening by PCA of photos of the recipe, or learned
from pairs of its places, then mAP on the validation places, every photo a query in turn, at one and
at three scales. The best mean of the two is taken.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recipe import RECIPE, architecture

from solar.datasets.places import open_places
from solar.evaluation.evaluate import Photos, folder_photos
from solar.extraction import Described, describe_photos
from solar.images import find_photos
from solar.models.checkpoints import save
from solar.models.global_descriptor import GlobalConfig, GlobalDescriptor, Provenance
from solar.models.whitening import Whitening, with_whitening
from solar.training.tables import read_toml
from solar.training.validation import folder_map
from solar.whitening.learn import learn_from_places

SCALES = (1.0, 2**0.5, 2**-0.5)
Descriptors = NDArray[np.float32]


def main() -> None:
    """Read the options, try the settings, save the best model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="checkpoint of distill.py")
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--to", type=Path, required=True, help="new model folder")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--learned", action="store_true", help="whitening from pairs, not PCA")
    options = parser.parse_args()
    recipe = read_toml(options.recipe)
    table = recipe["finish"]
    network = distilled(options.state, architecture(recipe))
    validation = folder_photos(options.photos / table["validation"])
    best: tuple[float, int, Whitening] | None = None
    print("| image size | D | mAP, 1 scale | mAP, 3 scales |\n| --- | --- | --- | --- |")
    for size in table["image_sizes"]:
        learn = learned if options.learned else pca
        whitening = learn(network, table, options.photos, size)
        described = at_scales(network, validation.database, size)
        for dimensions in table["dimensions"]:
            one, three = scores(described, whitening.reduced(dimensions), validation)
            print(f"| {size} | {dimensions} | {one:.2f} | {three:.2f} |", flush=True)
            if best is None or one + three > best[0]:
                best = (one + three, size, whitening.reduced(dimensions))
    if best is None:
        raise SystemExit("the recipe names no image size or no dimensions to try")
    _, size, whitening = best
    provenance = Provenance(
        table["trained_on"], f"recipes/{options.recipe.parent.name}", commit(), table["licence"]
    )
    model = whitened(network, whitening, size, provenance, options.to.name)
    save(model, options.to, torch.float16)
    print(f"{options.to}: {size} px, {model.dimensions}-D")


def distilled(state: Path, config: GlobalConfig) -> GlobalDescriptor:
    """The student of a checkpoint."""
    network = GlobalDescriptor(config)
    modules = torch.load(state, weights_only=True, map_location="cpu")["modules"]
    prefix = "student."
    weights = {k.removeprefix(prefix): v for k, v in modules.items() if k.startswith(prefix)}
    network.load_state_dict(weights)
    return network.eval()


def pca(network: GlobalDescriptor, table: dict[str, Any], photos: Path, size: int) -> Whitening:
    """Whitening by PCA of descriptors at all scales."""
    found = [p for name in table["whitening"] for p in find_photos(photos / name)]
    step = max(1, len(found) // table["whitening_photos"])
    return Whitening.pca(np.concatenate(at_scales(network, found[::step], size)))


def learned(network: GlobalDescriptor, table: dict[str, Any], photos: Path, size: int) -> Whitening:
    """Whitening learned from pairs of photos of one place, at one scale."""
    places = open_places(photos / table["places"])
    return learn_from_places(network, places, image_size=size, scales=(1.0,)).whitening


def at_scales(network: GlobalDescriptor, photos: Sequence[Path], size: int) -> list[Descriptors]:
    """(N, D) unit descriptors of the photos at each scale alone."""
    result = []
    for scale in SCALES:
        rows: Descriptors = np.zeros((len(photos), network.dimensions), np.float32)
        for photo in describe_photos(network, photos, image_size=size, scales=(scale,)):
            if not isinstance(photo, Described):
                raise SystemExit(photo.reason)
            rows[photo.position] = photo.descriptor
        result.append(rows)
    return result


def scores(
    described: list[Descriptors], whitening: Whitening, photos: Photos
) -> tuple[float, float]:
    """The mAP in percent at one scale, and at all."""
    whitened = [whitening.apply(rows) for rows in described]
    result = []
    for used in (whitened[:1], whitened):
        mean = np.sum(used, 0)
        mean = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        result.append(100 * folder_map(mean, photos.ground_truth))
    return result[0], result[1]


def whitened(
    network: GlobalDescriptor,
    whitening: Whitening,
    size: int,
    provenance: Provenance,
    name: str,
) -> GlobalDescriptor:
    """The network with its whitening as a layer, and attention blocks that are the identity."""
    config = replace(network.config, attention=(4, 5), image_size=size, scales=SCALES)
    torch.manual_seed(0)
    model = GlobalDescriptor(config, provenance, name)
    model.load_state_dict(network.state_dict(), strict=False)
    return with_whitening(model, whitening)


def commit() -> str:
    """The project's commit."""
    asked = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()


if __name__ == "__main__":
    main()
