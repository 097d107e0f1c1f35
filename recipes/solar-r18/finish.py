"""Whiten the distilled network, choose its settings on validation places, write the model.

For each image size, power and number of dimensions: whitening by PCA of photos of the recipe, or
learned from pairs of its places, then mAP on the validation places at three scales, every photo a
query in turn: whole, and cropped to a box near its middle as benchmarks crop theirs. The best mean
of the two is taken; a larger image size, which costs time for good, must gain `larger_must_gain`.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from solar.datasets import LabelledSet, open_folder
from solar.datasets.places import open_places
from solar.errors import UsageError
from solar.extraction import collect, open_extractor
from solar.files import read_toml
from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig, Provenance
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.models.whitening_layer import with_whitening
from solar.photos import Box, find_photos, open_photo
from solar.training.retrieval.task import folder_map
from solar.whitening.learn import learn_from_places

RECIPE = Path(__file__).with_name("recipe.toml")
SCALES = GlobalConfig().scales
Descriptors = NDArray[np.float32]


def main() -> None:
    """Read the options, try the settings, save the best model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", type=Path, required=True, help="model folder of distill.py")
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--to", type=Path, required=True, help="new model folder")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--learned", action="store_true", help="whitening from pairs, not PCA")
    options = parser.parse_args()
    table = read_toml(options.recipe, UsageError)["finish"]
    network = load(options.student)
    size, whitening = settings(network, table, options.photos, options.learned)
    provenance = Provenance(
        table["trained_on"], f"recipes/{options.recipe.parent.name}", commit(), table["licence"]
    )
    model = whitened(network, whitening, size, provenance, options.to.name)
    save(model, options.to, torch.float16)
    print(f"{options.to}: {size} px, {model.dimensions}-D")


def settings(
    network: GlobalDescriptor, table: dict[str, Any], photos: Path, learned: bool
) -> tuple[int, Whitening]:
    """The image size and the whitening that do best; prints a row for each that is tried."""
    validation = open_folder(photos / table["validation"])
    looks = boxes(validation.database)
    best: tuple[float, int, Whitening] | None = None
    print("| px | power | D | 1 scale | 3 scales | 3 scales, cropped queries |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in sorted(table["image_sizes"]):
        found = whitenings(network, table, photos, size, learned)
        database = at_scales(network, validation.database, size)
        queries = at_scales(network, validation.database, size, looks)
        for (power, full), dimensions in product(found, table["dimensions"]):
            whitening = full.reduced(dimensions)
            one = score(database[:1], database[:1], whitening, validation)
            three = score(database, database, whitening, validation)
            cropped = score(queries, database, whitening, validation)
            row = f"{size} | {power} | {dimensions} | {one:.2f} | {three:.2f} | {cropped:.2f}"
            print(f"| {row} |", flush=True)
            mean = (three + cropped) / 2
            more = table["larger_must_gain"] if best and size > best[1] else 0.0
            if best is None or mean > best[0] + more:
                best = (mean, size, whitening)
    if best is None:
        raise SystemExit("the recipe names no image size, no power or no dimensions to try")
    return best[1], best[2]


def whitenings(
    network: GlobalDescriptor, table: dict[str, Any], photos: Path, size: int, learned: bool
) -> list[tuple[str, Whitening]]:
    """By PCA of descriptors at all scales, one for each power; or learned from pairs at one."""
    if learned:
        places = open_places(photos / table["places"])
        bare = open_extractor(network, image_size=size, scales=(1.0,), pooled=True)
        pairs = learn_from_places(bare, places)
        return [("learned", pairs.whitening)]
    found = [p for name in table["whitening"] for p in find_photos(photos / name)]
    step = max(1, len(found) // table["whitening_photos"])
    rows = np.concatenate(at_scales(network, found[::step], size))
    return [(f"{power:g}", Whitening.pca(rows, power)) for power in table["powers"]]


def boxes(photos: Sequence[Path]) -> list[Box]:
    """A box for each photo: 45 to 85 % of each side, near the middle; always the same."""
    random = np.random.default_rng(0)
    found = []
    for path in photos:
        photo = open_photo(path)
        sides = np.array(photo.size)
        kept = sides * random.uniform(0.45, 0.85, 2)
        corner = ((sides - kept) * (0.5 + 0.2 * random.normal(size=2))).clip(0, sides - kept)
        found.append((*corner.tolist(), *(corner + kept).tolist()))
    return found


def at_scales(
    network: GlobalDescriptor,
    photos: Sequence[Path],
    size: int,
    boxes: Sequence[Box] | None = None,
) -> list[Descriptors]:
    """(N, D) unit descriptors of the photos, or of their boxes, at each scale alone."""
    result = []
    for scale in SCALES:
        found = collect(open_extractor(network, image_size=size, scales=(scale,)), photos, boxes)
        if found.failures:
            raise SystemExit(found.failures[0].reason)
        result.append(found.descriptors)
    return result


def score(
    queries: list[Descriptors],
    database: list[Descriptors],
    whitening: Whitening,
    photos: LabelledSet,
) -> float:
    """The mAP in percent of queries at their scales against the database at its."""
    means = []
    for described in (queries, database):
        mean = np.sum([whitening.apply(rows) for rows in described], 0)
        means.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
    return 100 * folder_map(means[1], photos.ground_truth, means[0])


def whitened(
    network: GlobalDescriptor,
    whitening: Whitening,
    size: int,
    provenance: Provenance,
    name: str,
) -> GlobalDescriptor:
    """The network with its whitening as a layer, and attention: the identity if it has none."""
    attention = GlobalConfig().attention
    config = replace(network.config, attention=attention, image_size=size, scales=SCALES)
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
