"""Ways to re-rank, chained: mAP and time, on sets of photos, alone and beside distractors.

Sets are folders of places (each photo a query in turn), or hold a ground truth (gnd_*.json). Gains
are over the first chain, with a 95 % interval by a paired bootstrap over places. Distractors stand
in the database with descriptors and features, as photos of an index do. Time is of the chain alone,
a query and processor core, descriptors and features in memory.

With `--augment K`, the database is augmented by K neighbours, once, before the search; this is
compared with the first chain too.

    python benchmarks/rerank.py SET... [--distractors FOLDER] [--chains none,geometric,…;…]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.limits import machine
from solar.calibration import Background, Calibration, Level, index_level, sample_rows
from solar.datasets import LabelledSet, open_dataset, open_folder
from solar.datasets.ground_truth import GroundTruth, Query
from solar.evaluation.report import Report, percent
from solar.evaluation.report.compare import paired_bootstrap
from solar.evaluation.retrieval import DescribedSet, score, search
from solar.evaluation.retrieval._features import features_of_set
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.evaluation.retrieval.described import describe_set
from solar.extraction import Extractor, calibration_of, open_extractor
from solar.features.extractor import FeatureExtractor, open_feature_extractor
from solar.features.features import Features
from solar.photos import find_photos
from solar.ranking import Ranking
from solar.rerank import WAYS, Reranker, augmented, parse_rerank, reach, rerank
from solar.typing import Descriptor, Descriptors, Ids

CHAINS = ("none", *(way for way in WAYS if way != "expansion"), "geometric,expansion",
          "geometric,support",
          "diffusion,geometric", "superglobal,geometric", "k-reciprocal,geometric")  # fmt: skip
TIMED = 40
"""Queries of which the median time is taken."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A described set: what is ranked, and by what."""

    described: DescribedSet
    features: FeaturesOfSet | None

    @cached_property
    def calibration(self) -> Calibration | None:
        """Of the model."""
        return calibration_of(self.described.extraction)

    @cached_property
    def sampled(self) -> tuple[Descriptors, Level]:
        """What cosines are compared with."""
        sample = self.described.database[sample_rows(len(self.described.database))]
        return sample, index_level(sample)

    def beside(self, others: Measured | None) -> Measured:
        """This set with the photos of another as distractors."""
        if others is None:
            return self
        truth, far = self.described.ground_truth, others.described
        names = (*truth.database, *(f"distractor {name}" for name in far.ground_truth.database))
        photos = replace(
            self.described.photos,
            ground_truth=GroundTruth(truth.dataset, names, truth.queries),
            database=[*self.described.photos.database, *far.photos.database],
        )
        rows = np.concatenate([self.described.database, far.database])
        features = self.features
        if features is not None and others.features is not None:
            kept = [*features.database, *others.features.database]
            features = replace(features, database=kept)
        return Measured(replace(self.described, photos=photos, database=rows), features)


def main() -> None:
    """Read the options, describe, rank, print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--distractors", type=Path, action="append", default=[])
    parser.add_argument("--chains", default=";".join(CHAINS))
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--local", default="rootsift")
    parser.add_argument("--augment", type=int, action="append", default=[])
    parser.add_argument("--untimed", action="store_true", help="for machines that are busy")
    options = parser.parse_args()
    extractor = open_extractor(options.model, precision="float32")
    chains = options.chains.split(";")
    used = any(way.needs_features for name in chains for way in parse_rerank(name, features=True))
    local = open_feature_extractor(options.local) if used else None
    others = [described(unlabelled(each), extractor, local) for each in options.distractors]
    distractors = together(others) if others else None
    print(f"{machine()}, {options.model}, {options.local}")
    for folder in options.sets:
        alone = described(labelled(folder), extractor, local)
        for data in [alone] + [alone.beside(distractors)] * (distractors is not None):
            count = len(data.described.database) - len(alone.described.database)
            print(f"\n**{folder.name}**, {len(alone.described.queries)} queries, "
                  f"{len(alone.described.database)} photos, {count} distractors\n")  # fmt: skip
            print_table(data, chains, options.augment, timed=not options.untimed)


def labelled(folder: Path) -> LabelledSet:
    """A set by its ground truth, or by its sub-folders."""
    if any(folder.glob("gnd_*")):
        return open_dataset(folder)
    inner = [each for each in folder.iterdir() if each.is_dir()]
    return open_folder(inner[0] if len(inner) == 1 else folder)


def unlabelled(folder: Path) -> LabelledSet:
    """Photos of which none is to be found."""
    paths = find_photos(folder)
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    none = np.empty(0, np.int64)
    query = Query(names[0], None, {"ok": none, "junk": none})
    return LabelledSet(GroundTruth(folder.name, names, (query,)), paths, paths[:1])


def described(
    photos: LabelledSet, extractor: Extractor, local: FeatureExtractor | None
) -> Measured:
    """Its descriptors and features; from the cache, if they were made before."""
    found = describe_set(extractor, photos, skip=True)
    return Measured(found, None if local is None else features_of_set(local, found.photos))


def together(parts: Sequence[Measured]) -> Measured:
    """Several sets of distractors as one."""
    first = parts[0]
    for part in parts[1:]:
        first = first.beside(part)
    return first


def print_table(
    plain: Measured, names: Sequence[str], augment: Sequence[int], *, timed: bool
) -> None:
    """One row for each chain, compared with the first."""
    first: Report | None = None
    protocols: list[str] = []  # protocols by which some query has a photo to find
    asked = [(name, plain, name) for name in names]
    for count in augment:
        rows = augmented(plain.described.database, count)
        moved = replace(plain, described=replace(plain.described, database=rows))
        asked.append((f"database augmented by {count}", moved, "none"))
    for label, data, name in asked:
        chain = parse_rerank(name, features=True)
        report = score(search(data.described, chain, features=data.features))
        if first is None:
            first = report
            protocols = [name for name, each in report.results.items() if each.map is not None]
            heads = " | ".join(f"mAP {protocol} | gain" for protocol in protocols)
            print(f"| chain | {heads} | ms a query |")
            print("| --- |" + " ---: |" * (2 * len(protocols) + 1))
        cells = [
            f"{percent(report.results[protocol].map)} | {gain(first, report, protocol)}"
            for protocol in protocols
        ]
        spent = f"{milliseconds(data, chain):.1f}" if timed else "–"
        print(f"| {label} | {' | '.join(cells)} | {spent} |", flush=True)


def gain(first: Report, report: Report, protocol: str) -> str:
    """How much more, and between what and what with 95 % certainty."""
    if report is first:
        return "–"
    one, other = (each.results[protocol].ap for each in (first, report))
    found = paired_bootstrap(one, other, report.places)
    low, high = (np.nan if x is None else 100 * x for x in (found.low, found.high))
    return f"{100 * found.difference:+.2f} ({low:+.2f} … {high:+.2f})"


def milliseconds(data: Measured, chain: Sequence[Reranker]) -> float:
    """Median over some queries of a chain's processor time, the first search left out."""
    spent, count = [], len(data.described.queries)
    for row in range(0, count, max(1, count // TIMED)):
        view = View(data, row)
        ranking = view.search(view.descriptor, max(10, reach(chain)))
        started = time.process_time()
        rerank(ranking, view, chain)
        spent.append(1000 * (time.process_time() - started))
    return median(spent)


class View:
    """See `solar.rerank.View`; ids are rows."""

    def __init__(self, data: Measured, row: int) -> None:
        """Look at a query."""
        self.descriptor: Descriptor = data.described.queries[row]
        made = data.features
        self.features: Sequence[Features] = [] if made is None else [made.queries[row]]
        self._data = data
        self.calibration: Calibration | None = data.calibration

    @property
    def background(self) -> Background:
        """What cosines are compared with."""
        return Background.of(self.descriptor, *self._data.sampled)

    def descriptors(self, ids: Ids) -> Descriptors:
        """Of some rows."""
        return self._data.described.database[ids]

    def features_of(self, ids: Ids) -> Sequence[Features | None]:
        """Of some rows."""
        made = self._data.features
        return [None if made is None else made.database[number] for number in ids.tolist()]

    def search(self, descriptor: Descriptor, top: int) -> Ranking:
        """By all products."""
        scores = self._data.described.database @ descriptor
        best = np.argsort(-scores, kind="stable")[:top]
        return Ranking.of(best, scores[best])


if __name__ == "__main__":
    main()
