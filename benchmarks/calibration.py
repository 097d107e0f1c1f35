"""How true the probabilities of hits are, and whether ordering by them loses anything.

A calibration is learned from some labelled photos, without one of them in turn and from all; that
from all is measured on those, and on others that chose nothing. Each query is asked once with its
place in the database and once without; its first ten hits count. Orders of the first hundred hits
are compared by mAP: by cosine, by inliers, by probability without and with support.

    python -m benchmarks.calibration --learn PLACES... [--measure PLACES...] [--choose PLACES...]
        [--model solar-r18] [--local rootsift] [--to reliability.svg]

`--choose` names photos that are left to learn from the others alone, as `--measure`, but that the
form of the calibration may be chosen by.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

from solar.calibration import Calibration
from solar.datasets import open_labelled
from solar.evaluation.report import percent
from solar.evaluation.report.charts import line_chart
from solar.evaluation.retrieval._features import features_of_set
from solar.evaluation.retrieval._ranking import Ranked
from solar.evaluation.retrieval.calibration import (
    Case,
    Reliability,
    cases_to_learn,
    cases_to_measure,
    learn,
)
from solar.evaluation.retrieval.described import describe_set
from solar.evaluation.retrieval.metrics import score_rankings
from solar.extraction import Extractor, open_extractor
from solar.features.extractor import FeatureExtractor, open_feature_extractor
from solar.rerank import Reranker
from solar.rerank.geometric import Geometric
from solar.rerank.support import Support

TENTHS = [n / 10 for n in range(11)]


def main() -> None:
    """Read the options, learn, measure, print tables, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--learn", "--measure", "--choose"):
        parser.add_argument(name, type=Path, nargs="+", default=[])
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--local", default="rootsift")
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    extractor = open_extractor(options.model, precision="float32")
    maker = open_feature_extractor(options.local)
    print(f"{platform.processor() or platform.machine()}, {options.model}, {options.local}\n")
    learned = {
        path.name: cases_to_learn(extractor, open_labelled(path), maker) for path in options.learn
    }
    everything = made(list(learned.values()), extractor)
    print(
        f"{everything.descriptors}\n{everything.verified}\n{everything.supported}\n{everything.usual}\n"
    )
    print("| learned from | measured on | verified | error | Brier gain | AUROC of the first |")
    print("| --- | --- | --- | ---: | ---: | ---: |", flush=True)
    found: dict[str, list[Case]] = {}
    for path in [*options.learn, *options.choose, *options.measure]:
        cases = cases_to_measure(extractor, open_labelled(path), maker, Geometric().first)
        found[path.name] = cases
        if path.name in learned and len(learned) > 1:
            rest = [each for name, each in learned.items() if name != path.name]
            show("the others", path.name, made(rest, extractor), cases)
        show("all", path.name, everything, cases)
    for names, paths in (("chosen by", options.choose), ("measured", options.measure)):
        if len(paths) > 1:
            both = [case for path in paths for case in found[path.name]]
            show("all", f"all {names}", everything, both)
    print("\n| mAP | cosine | inliers first | probability | with support |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for path in [*options.learn, *options.choose, *options.measure]:
        print(orders(path, extractor, maker, everything), flush=True)
    if options.to is not None and options.measure:
        cases = [case for path in options.measure for case in found[path.name]]
        options.to.write_text(drawn(everything, cases))


def made(sets: list[list[Case]], extractor: Extractor) -> Calibration:
    """A calibration learned from some sets."""
    return learn(sets, extractor.extraction.fingerprint, "")


def show(learned: str, name: str, calibration: Calibration, cases: list[Case]) -> None:
    """Two rows of the table, without keypoints and with them."""
    for verified in (False, True):
        found = Reliability.of(calibration, cases, verified=verified)
        figures = (
            f"{found.calibration_error:.3f} | {found.brier_gain:.0%} | {found.leading_auroc:.3f}"
        )
        print(f"| {learned} | {name} | {'yes' if verified else 'no'} | {figures} |", flush=True)


def orders(
    path: Path, extractor: Extractor, maker: FeatureExtractor, calibration: Calibration
) -> str:
    """A row of the table of mAP, over all protocols that the set has."""
    described = describe_set(extractor, open_labelled(path), skip=True)
    features = features_of_set(maker, described.photos)
    figures = []
    ways: list[tuple[Calibration | None, list[Reranker]]] = [
        (None, []),
        (None, [Geometric()]),
        (calibration, [Geometric()]),
        (calibration, [Geometric(), Support()]),
    ]
    for known, chain in ways:
        rankings = Ranked(described, None, features, known).rankings(chain)
        scores = score_rankings(rankings, described.ground_truth.queries)
        figures.append(" / ".join(percent(score.map) for score in scores.values()))
    return f"| {path.name} | {' | '.join(figures)} |"


def drawn(calibration: Calibration, cases: list[Case]) -> str:
    """The reliability diagram: what was said of ten parts of the hits, and what was true."""
    curves: dict[str, list[tuple[float, float]]] = {"true": [(0.0, 0.0), (1.0, 1.0)]}
    for name, verified in (("descriptors", False), ("verified", True)):
        found = Reliability.of(calibration, cases, verified=verified)
        curves[name] = [(said, true) for said, true, _ in found.bins()]
    return line_chart("Reliability of the first ten hits", "probability said", "share right",
                      curves, x_ticks=TENTHS, y_ticks=TENTHS)  # fmt: skip


if __name__ == "__main__":
    main()
