"""Four trainings of equal budget from one network: GeM alone, + SOA, + SOS, + both.

Each is train.toml but for its attention and its second-order loss, with several seeds. Every
network is measured on a data set of the Revisited layout, at one and at three scales. Printed are
means over the seeds with their standard deviation, and paired bootstraps between the rows, of each
query's AP averaged over the seeds. Trainings that are done are kept, and a broken one goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.datasets import open_dataset, open_folder
from solar.evaluation.report import paired_bootstrap
from solar.evaluation.retrieval import evaluate
from solar.extraction import open_extractor
from solar.models.checkpoints import load
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.retrieval.recipe import RetrievalRecipe
from solar.training.train import read_recipe, train

TRAIN = Path(__file__).with_name("train.toml")
SCALES = {1: (1.0,), 3: GlobalConfig().scales}
PROTOCOLS = ("easy", "medium", "hard")
START = "start"


@dataclass(frozen=True)
class Arm:
    """One of the four: with or without second-order attention and second-order similarity."""

    name: str
    attention: bool
    similarity: bool

    def recipe(self, both: RetrievalRecipe, seed: int) -> RetrievalRecipe:
        """The recipe of both, with what this arm is without taken away."""
        model, loss = both.model, both.loss
        return replace(
            both,
            model=model if self.attention else replace(model, attention=()),
            loss=loss if self.similarity else replace(loss, second_order="none"),
            optimiser=replace(both.optimiser, seed=seed),
        )


ARMS = (
    Arm("gem", attention=False, similarity=False),
    Arm("soa", attention=True, similarity=False),
    Arm("sos", attention=False, similarity=True),
    Arm("soa-sos", attention=True, similarity=True),
)


@dataclass(frozen=True)
class Measured:
    """The APs of one network's queries.

    Attributes:
        arm: its name.
        ap: by number of scales and protocol, (queries,) in percent.
        validation: mAP on the validation places, in percent.
    """

    arm: str
    ap: dict[tuple[int, str], NDArray[np.float64]]
    validation: float


def main() -> None:
    """Read the options, train what is not trained, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True, help="model folder of finish.py")
    parser.add_argument("--photos", type=Path, required=True, help="folder of the recipe's folders")
    parser.add_argument("--dataset", required=True, help="what is measured on")
    parser.add_argument("--to", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--recipe", type=Path, default=TRAIN)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    both = read_recipe(options.recipe, options.photos.resolve())
    assert isinstance(both, RetrievalRecipe)  # noqa: S101 - narrows the type
    both = replace(both, model=replace(both.model, start=str(options.start.resolve())))
    for seed in range(options.seeds):
        for arm in ARMS:
            train_once(arm.recipe(both, seed), options.to / f"{arm.name}-{seed}")
    found = [measure(START, load(options.start), options, both)]
    for arm in ARMS:
        for seed in range(options.seeds):
            model = load(options.to / f"{arm.name}-{seed}" / "model")
            found.append(measure(arm.name, model, options, both))
    print("\n".join([*table(found), "", *bootstraps(found)]))


def train_once(recipe: RetrievalRecipe, folder: Path) -> None:
    """Train, go on with a run that was broken off, or do nothing for one that is done."""
    if (folder / "model").exists():
        return
    print(f"{folder}: training", flush=True)
    train(recipe, folder, resume=folder.exists())


def measure(
    arm: str, model: GlobalDescriptor, options: argparse.Namespace, recipe: RetrievalRecipe
) -> Measured:
    """The network on the data set, and on the validation places."""
    assert recipe.validation is not None  # noqa: S101 - train.toml has it
    dataset = open_dataset(options.dataset)
    places = open_folder(recipe.base / recipe.validation.places)
    folder = options.to / "measured" / f"{arm}-{model.fingerprint[:8]}"
    ap = {}
    for count, scales in SCALES.items():
        extractor = open_extractor(model, scales=scales, precision="float32")
        report = evaluate(dataset, extractor, folder / str(count), page=False)
        for protocol in PROTOCOLS:
            values = report.results[protocol].ap
            ap[count, protocol] = np.array([np.nan if v is None else 100 * v for v in values])
    validation = evaluate(places, extractor, folder / "validation", page=False)
    (result,) = validation.results.values()
    assert result.map is not None  # noqa: S101 - every place has two photos or it is no query
    return Measured(arm, ap, 100 * result.map)


def table(found: list[Measured]) -> Iterator[str]:
    """A row per arm: mean and standard deviation over its seeds."""
    columns = [(count, protocol) for count in SCALES for protocol in PROTOCOLS]
    heads = " | ".join(f"{count} · {protocol}" for count, protocol in columns)
    yield f"| arm | {heads} | validation, 3 |"
    yield "| --- |" + " ---: |" * (len(columns) + 1)
    for name, runs in by_arm(found).items():
        values = [[float(np.nanmean(run.ap[column])) for run in runs] for column in columns]
        values.append([run.validation for run in runs])
        yield f"| {name} | " + " | ".join(spread(column) for column in values) + " |"


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    mean = f"{np.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.2f}"


def bootstraps(found: list[Measured]) -> Iterator[str]:
    """A row per pair of arms: the gain of the second, its 95 % interval over the queries."""
    heads = " | ".join(f"{count} · {protocol}" for count in SCALES for protocol in PROTOCOLS[1:])
    yield f"| from, to | {heads} |"
    yield "| --- |" + " --- |" * (len(SCALES) * (len(PROTOCOLS) - 1))
    arms = by_arm(found)
    for a, b in combinations(arms, 2):
        cells = []
        for count in SCALES:
            for protocol in PROTOCOLS[1:]:
                first, second = (
                    np.mean([run.ap[count, protocol] for run in arms[name]], axis=0)
                    for name in (a, b)
                )
                gain = paired_bootstrap(_listed(first), _listed(second), range(len(first)))
                cells.append(f"{gain.difference:+.2f} ({gain.low:+.2f} … {gain.high:+.2f})")
        yield f"| {a}, {b} | " + " | ".join(cells) + " |"


def by_arm(found: list[Measured]) -> dict[str, list[Measured]]:
    """The networks of each arm, in the order they came."""
    names = dict.fromkeys(run.arm for run in found)
    return {name: [run for run in found if run.arm == name] for name in names}


def _listed(ap: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in ap]


if __name__ == "__main__":
    main()
