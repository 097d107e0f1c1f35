"""Whiten the distilled network, choose its settings on validation sets, write the model.

For each image size, power and number of dimensions: whitening by PCA of photos of the recipe, or
learned from pairs of its places, then mAP on each validation set at three scales. Of what is good
enough on every set (`at_least`) the best mean is taken; a larger image size, which costs time for
good, must gain `larger_must_gain`.
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

from solar.datasets import LabelledSet, open_labelled
from solar.datasets.places import open_places
from solar.errors import UsageError
from solar.evaluation.retrieval import rank, score_rankings
from solar.extraction import collect, open_extractor
from solar.files import read_toml
from solar.models.checkpoints import load, save
from solar.models.config import GlobalConfig, Provenance
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.models.whitening_layer import with_whitening
from solar.photos import Box, find_photos
from solar.training.distillation.sources import with_descriptors
from solar.unit import of_unit_length
from solar.whitening.learn import learn_from_places

RECIPE = Path(__file__).with_name("recipe.toml")
SCALES = GlobalConfig().scales
RIDGE = 0.003  # of the mean variance: what keeps directions of noise from being magnified
Descriptors = NDArray[np.float32]


def main() -> None:
    """Read the options, try the settings, save the best model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", type=Path, required=True, help="model folder of distill.py")
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--to", type=Path, required=True, help="new model folder")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--learned", action="store_true", help="whitening from pairs, not PCA")
    how.add_argument("--targets", type=Path, help="towards these descriptors, not PCA")
    options = parser.parse_args()
    table = read_toml(options.recipe, UsageError)["finish"]
    network = load(options.student)
    size, whitening = settings(network, table, options)
    provenance = Provenance(
        table["trained_on"], f"recipes/{options.recipe.parent.name}", commit(), table["licence"]
    )
    model = whitened(network, whitening, size, provenance, options.to.name)
    save(model, options.to, torch.float16)
    print(f"{options.to}: {size} px, {model.dimensions}-D")


def settings(
    network: GlobalDescriptor, table: dict[str, Any], options: argparse.Namespace
) -> tuple[int, Whitening]:
    """The image size and the whitening that do best; prints a row for each that is tried."""
    photos: Path = options.photos
    sets = {name: open_labelled(photos / name) for name in table["validation"]}
    best: tuple[float, int, Whitening] | None = None
    print(f"| px | power | D | {' | '.join(sets)} | mean |")
    print(f"|{' ---: |' * (len(sets) + 4)}")
    for size in sorted(table["image_sizes"]):
        found = whitenings(network, table, options, size)
        looks = [described(network, photos, size) for photos in sets.values()]
        for (power, full), dimensions in product(found, table["dimensions"]):
            whitening = full.reduced(dimensions)
            scores = [score(*each, whitening) for each in zip(sets.values(), looks, strict=True)]
            mean = sum(scores) / len(scores)
            least = [table["at_least"].get(name, 0.0) for name in sets]
            enough = bool(np.all(np.array(scores) >= least))
            row = [size, power, dimensions, *(f"{value:.2f}" for value in (*scores, mean))]
            print(f"| {' | '.join(map(str, row))} |", flush=True)
            more = table["larger_must_gain"] if best and size > best[1] else 0.0
            if enough and (best is None or mean > best[0] + more):
                best = (mean, size, whitening)
    if best is None:
        raise SystemExit("no image size, power and dimensions of the recipe are good on every set")
    return best[1], best[2]


def whitenings(
    network: GlobalDescriptor, table: dict[str, Any], options: argparse.Namespace, size: int
) -> list[tuple[str, Whitening]]:
    """By PCA of descriptors at all scales, one for each power; or learned, at one scale."""
    photos: Path = options.photos
    if options.targets:
        names = read_toml(options.recipe, UsageError)["photos"]
        found = [path for name in names for path in find_photos(photos / name)]
        return [("targets", towards(network, options.targets, found, size))]
    if options.learned:
        places = open_places(photos / table["places"])
        bare = open_extractor(network, image_size=size, scales=(1.0,), pooled=True)
        pairs = learn_from_places(bare, places)
        return [("learned", pairs.whitening)]
    rows = np.concatenate(at_scales(network, whitening_photos(table, photos), size))
    return [(f"{power:g}", Whitening.pca(rows, power)) for power in table["powers"]]


def towards(
    network: GlobalDescriptor, targets: Path, photos: Sequence[Path], size: int
) -> Whitening:
    """The linear map of pooled descriptors that comes nearest to others, by least squares."""
    ((known, _),), rows = with_descriptors(targets, [(photos, 1.0)])
    (pooled,) = at_scales(network, known, size, scales=(1.0,))
    wanted = rows.double().numpy()
    mean = pooled.mean(0, dtype=np.float64)
    x = pooled - mean
    inner = x.T @ x
    inner += RIDGE * np.trace(inner) / len(inner) * np.eye(len(inner))
    projection = np.linalg.solve(inner, x.T @ (wanted - wanted.mean(0))).T
    axes = np.linalg.svd(x @ projection.T, full_matrices=False)[2]
    return Whitening(mean, axes @ projection)


def whitening_photos(table: dict[str, Any], photos: Path) -> list[Path]:
    """Every so many of each folder, as the recipe's table says."""
    steps = table["whitening"].items()
    return [path for name, step in steps for path in find_photos(photos / name)[::step]]


def described(
    network: GlobalDescriptor, photos: LabelledSet, size: int
) -> tuple[list[Descriptors], list[Descriptors]]:
    """The queries, in their boxes, and the database at each scale alone."""
    database = at_scales(network, photos.database, size)
    boxes = [query.box for query in photos.ground_truth.queries]
    rows = {path: row for row, path in enumerate(photos.database)}
    if set(boxes) == {None} and rows.keys() >= set(photos.queries):
        asked = [rows[path] for path in photos.queries]
        return [scale[asked] for scale in database], database
    given = [box for box in boxes if box is not None]
    return at_scales(network, photos.queries, size, given or None), database


def at_scales(
    network: GlobalDescriptor,
    photos: Sequence[Path],
    size: int,
    boxes: Sequence[Box] | None = None,
    scales: Sequence[float] = SCALES,
) -> list[Descriptors]:
    """(N, D) unit descriptors of the photos, or of their boxes, at each scale alone."""
    result = []
    for scale in scales:
        extractor = open_extractor(network, image_size=size, scales=(scale,), pooled=True)
        found = collect(extractor, photos, boxes)
        if found.failures:
            raise SystemExit(found.failures[0].reason)
        result.append(found.descriptors)
    return result


def score(
    photos: LabelledSet,
    looks: tuple[list[Descriptors], list[Descriptors]],
    whitening: Whitening,
) -> float:
    """The mAP in percent of the first protocol, three scales."""
    queries, database = (
        of_unit_length(np.sum([whitening.apply(rows) for rows in scales], 0)) for scales in looks
    )
    asked = photos.ground_truth.queries
    rankings = rank(queries, database, [query.labelled for query in asked])
    return 100 * next(iter(score_rankings(rankings, asked).values())).map


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
