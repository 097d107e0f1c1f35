"""Trainings of equal budget: what attention and second-order similarity add.

Each arm is train.toml but for its attention and its second-order loss; without validation, so
that no set that is measured chooses an epoch. All start from the given network without what its
attention has learned, whitened anew by the photos that recipe.toml names: that is the row `start`;
`given` is the network as it is. The four arms of the paper have several seeds, their variants one.

Every network is measured on every set, at one scale; a query's AP is averaged over the seeds.
Printed are means over the seeds with their standard deviation, and differences of AP over the
queries of all sets together, with the 95 % interval of a paired bootstrap over places. Trainings
that are done are kept, and a broken one goes on.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from finish import RECIPE, at_scales, whitening_photos
from numpy.typing import NDArray

from solar.datasets import open_labelled
from solar.errors import UsageError
from solar.evaluation.report import paired_bootstrap
from solar.evaluation.report.report import PROTOCOLS
from solar.evaluation.retrieval import evaluate
from solar.extraction import open_extractor
from solar.files import read_toml
from solar.models.attention import SecondOrderAttention
from solar.models.checkpoints import load, save
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.models.whitening_layer import with_whitening
from solar.training.retrieval.recipe import LossSettings, RetrievalRecipe
from solar.training.train import read_recipe, train

TRAIN = Path(__file__).with_name("train.toml")
GIVEN, START = "given", "start"
POWER, DIMENSIONS = 0.5, 512
CONTRASTIVE_MARGIN = 0.7  # as published; average precision has none
POOLED = "medium"  # of a set with the revisited protocols, what counts beside the other sets


@dataclass(frozen=True)
class Arm:
    """One training.

    Attributes:
        name: for the tables.
        against: the arm that it differs from by one thing.
        attention: which of the recipe's stages it is after.
        loss: the recipe's, changed.
        repeated: whether every seed trains it, or the first alone.
    """

    name: str
    against: str
    attention: tuple[int, ...] = (0, -1)
    loss: Callable[[LossSettings], LossSettings] = lambda loss: loss
    repeated: bool = False

    def recipe(self, both: RetrievalRecipe, seed: int) -> RetrievalRecipe:
        """The recipe of both, changed."""
        stages = both.model.attention
        return replace(
            both,
            model=replace(both.model, attention=tuple(stages[i] for i in self.attention)),
            loss=self.loss(both.loss),
            optimiser=replace(both.optimiser, seed=seed),
        )


def _first_order(loss: LossSettings) -> LossSettings:
    return replace(loss, second_order="none")


def _weighted(factor: float) -> Callable[[LossSettings], LossSettings]:
    return lambda loss: replace(loss, weight=factor * loss.weight)


def _by(first: Literal["contrastive", "ap"]) -> Callable[[LossSettings], LossSettings]:
    return lambda loss: replace(_first_order(loss), first_order=first, margin=CONTRASTIVE_MARGIN)


BOTH = "soa-sos"
ARMS = (
    Arm("gem", START, attention=(), loss=_first_order, repeated=True),
    Arm("soa", "gem", loss=_first_order, repeated=True),
    Arm("sos", "gem", attention=(), repeated=True),
    Arm(BOTH, "gem", repeated=True),
    Arm("gem, contrastive", "gem", attention=(), loss=_by("contrastive")),
    Arm("gem, ap", "gem", attention=(), loss=_by("ap")),
    Arm("soa-sos, the first stage alone", BOTH, attention=(0,)),
    Arm("soa-sos, the last stage alone", BOTH, attention=(-1,)),
    Arm("soa-sos, λ x 0.2", BOTH, loss=_weighted(1 / 5)),
    Arm("soa-sos, λ x 5", BOTH, loss=_weighted(5)),
    Arm("soa-sos, absolute", BOTH, loss=lambda loss: replace(loss, second_order="absolute")),
    Arm("soa-sos, query", BOTH, loss=lambda loss: replace(loss, second_order="query")),
)


@dataclass(frozen=True)
class Measured:
    """The queries of all sets, as one network finds them.

    Attributes:
        maps: mAP by set and protocol, in percent.
        ap: (queries,) of all sets, in percent; NaN for a query without positives.
        places: the place of each.
    """

    maps: dict[str, float]
    ap: NDArray[np.float64]
    places: list[tuple[str, int]]


def main() -> None:
    """Read the options, train what is not trained, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True, help="model folder of finish.py")
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--sets", type=Path, nargs="+", required=True, help="what is measured on")
    parser.add_argument("--to", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--recipe", type=Path, default=TRAIN, help="of the trainings")
    parser.add_argument("--whitening", type=Path, default=RECIPE, help="recipe of the start's")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    both = read_recipe(options.recipe, options.photos.resolve())
    assert isinstance(both, RetrievalRecipe)  # noqa: S101 - narrows the type
    start = (options.to / START).resolve()
    if not start.exists():
        save(without_attention(load(options.start), options.photos, options.whitening), start)
    both = replace(both, model=replace(both.model, start=str(start)), validation=None)
    found = {
        GIVEN: [measure(options.start, GIVEN, options)],
        START: [measure(start, START, options)],
    }
    for arm in ARMS:
        for seed in range(options.seeds if arm.repeated else 1):
            folder = options.to / f"{arm.name}-{seed}"
            train_once(arm.recipe(both, seed), folder)
            found.setdefault(arm.name, []).append(measure(folder / "model", folder.name, options))
    print("\n".join([*table(found), "", *bootstraps(found)]))


def without_attention(network: GlobalDescriptor, photos: Path, recipe: Path) -> GlobalDescriptor:
    """A copy whose attention blocks are the identity, and whose whitening knows of it."""
    network = copy.deepcopy(network)
    for block in network.attention.values():
        assert isinstance(block, SecondOrderAttention)  # noqa: S101 - narrows the type
        block.reset_parameters()
    used = whitening_photos(read_toml(recipe, UsageError)["finish"], photos)
    print(f"{START}: whitening by {len(used)} photos", flush=True)
    (rows,) = at_scales(network, used, network.config.image_size, scales=(1.0,))
    whitening = Whitening.pca(rows, POWER)
    return with_whitening(network, whitening.reduced(min(DIMENSIONS, network.dimensions)))


def train_once(recipe: RetrievalRecipe, folder: Path) -> None:
    """Train, go on with a run that was broken off, or do nothing for one that is done."""
    if (folder / "model").exists():
        return
    print(f"{folder}: training", flush=True)
    train(recipe, folder, resume=folder.exists())


def measure(model: Path, name: str, options: argparse.Namespace) -> Measured:
    """A network on every set; photos that it has described already are not described again."""
    extractor = open_extractor(load(model), scales=(1.0,), precision="float32")
    maps, ap, places = {}, [], []
    for path in options.sets:
        photos, folder = open_labelled(path), options.to / "measured" / name / path.name
        report = evaluate(photos, extractor, folder, page=False)
        for protocol in PROTOCOLS:
            result = report.results.get(protocol)
            if result is not None and result.map is not None:
                only = len(report.results) == 1
                maps[path.name if only else f"{path.name}, {protocol}"] = 100 * result.map
        counted = report.results.get(POOLED) or next(iter(report.results.values()))
        ap += [np.nan if value is None else 100 * value for value in counted.ap]
        places += [(path.name, place) for place in report.places]
    return Measured(maps, np.array(ap), places)


def table(found: dict[str, list[Measured]]) -> Iterator[str]:
    """A row per arm: mean and standard deviation over its seeds."""
    columns = list(found[START][0].maps)
    yield f"| arm | {' | '.join(columns)} | all queries |"
    yield "| --- |" + " ---: |" * (len(columns) + 1)
    for name, runs in found.items():
        values = [[run.maps[column] for run in runs] for column in columns]
        values.append([float(np.nanmean(run.ap)) for run in runs])
        yield f"| {name} | " + " | ".join(spread(column) for column in values) + " |"


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    mean = f"{np.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.2f}"


def bootstraps(found: dict[str, list[Measured]]) -> Iterator[str]:
    """A row per arm and what it is held against: the gain over all queries, and its interval."""
    pairs = [(GIVEN, START), *((arm.against, arm.name) for arm in ARMS)]
    pairs += [("soa", BOTH), ("sos", BOTH)]
    yield "| from, to | seeds | gain | 95 % interval |"
    yield "| --- | ---: | ---: | --- |"
    for a, b in pairs:
        seeds = len(found[b])
        first, second = (
            np.mean([run.ap for run in found[name][:seeds]], axis=0) for name in (a, b)
        )
        gain = paired_bootstrap(_listed(first), _listed(second), found[a][0].places)
        interval = f"{gain.low:+.2f} … {gain.high:+.2f}" if gain.low is not None else "–"
        yield f"| {a}, {b} | {seeds} | {gain.difference:+.2f} | {interval} |"


def _listed(ap: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in ap]


if __name__ == "__main__":
    main()
