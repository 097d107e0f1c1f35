"""What an index should keep of each photo: bytes, processor time, and what verification finds.

Each scheme describes the photos of one or more data sets, whose first 100 hits are then verified.
Times are those of the processor, all its threads together: of a photo, decoding and all, and of a
search's verification alone.

    python -m benchmarks.features SET… [--model solar-r18] [--only "RootSIFT 276"]

SET is a folder with a ground truth, or one whose sub-folders are places.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from solar.datasets.folder import open_folder
from solar.datasets.photos import LabelledSet, open_dataset
from solar.evaluation.retrieval.run import evaluate
from solar.features import FeatureExtractor, Features, features_of_one, open_feature_extractor
from solar.features.extractor import KeypointExtractor
from solar.rerank.geometric import verify

HITS, TIMED = 100, 40


@dataclass(frozen=True)
class Scheme:
    """One way to keep features.

    Attributes:
        local: what describes keypoints.
        keypoints: at most so many.
        image_size: longest side, pixels.
        bits: of each number; None for the descriptor's own.
    """

    local: str
    keypoints: int
    image_size: int
    bits: int | None = None

    def opened(self) -> KeypointExtractor:
        """An extractor of this kind."""
        made = open_feature_extractor(
            self.local, "cpu", keypoints=self.keypoints, image_size=self.image_size
        )
        bits = self.bits or made.extraction.bits
        return replace(made, extraction=replace(made.extraction, bits=bits))

    def __str__(self) -> str:
        bits = self.bits or open_feature_extractor(self.local).extraction.bits
        return f"{self.local}, {self.keypoints} keypoints, {self.image_size} px, {bits} bits"


SCHEMES = (
    Scheme("rootsift", 500, 1024, 8),
    Scheme("rootsift", 500, 640, 8),
    Scheme("rootsift", 500, 640),
    Scheme("rootsift", 276, 640),
    Scheme("rootsift", 276, 512),
    Scheme("rootsift", 200, 640),
    Scheme("orb", 500, 640),
    Scheme("solar-local", 276, 640),
)


def main() -> None:
    """Read the options, measure each scheme, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--only", default="", help="schemes whose words begin with this")
    options = parser.parse_args()
    sets = [opened(path) for path in options.sets]
    names = " | ".join(path.name for path in options.sets)
    print(f"{platform.processor() or platform.machine()}, {options.model}; mAP by data set\n")
    print(f"| features | KB a photo | ms a photo | ms for {HITS} hits | {names} |")
    print("| --- |" + " ---: |" * (3 + len(sets)), flush=True)
    if "none".startswith(options.only):
        print(row("none", ["", "", ""], [scored(each, options.model, None) for each in sets]))
    for scheme in SCHEMES:
        if str(scheme).startswith(options.only):
            extractor = scheme.opened()
            found = [scored(each, options.model, extractor) for each in sets]
            print(row(str(scheme), costs(extractor, sets), found), flush=True)


def opened(path: Path) -> LabelledSet:
    """A data set by its folder."""
    return open_dataset(path) if any(path.glob("gnd_*")) else open_folder(path)


def scored(photos: LabelledSet, model: str, local: FeatureExtractor | None) -> float:
    """MAP after verification, in percent: of the medium protocol, where there is one."""
    chain = "none" if local is None else "geometric"
    with tempfile.TemporaryDirectory() as folder:
        report = evaluate(photos, model, folder, rerank=chain, local=local, page=False)
    results = report.results
    found = results.get("medium") or results["classic"]
    return 100 * (found.map or 0.0)


def costs(extractor: KeypointExtractor, sets: Sequence[LabelledSet]) -> list[str]:
    """Kilobytes and ms of a photo, and ms of verifying the first hits, as medians."""
    paths = [path for each in sets for path in each.database]
    paths = paths[:: max(1, len(paths) // TIMED)][:TIMED]
    features: list[Features] = []
    making: list[float] = []
    for path in paths:
        started = time.process_time()
        features.append(features_of_one(extractor, path))
        making.append(time.process_time() - started)
    hits = [features[number % len(features)] for number in range(HITS)]
    verifying = []
    for query in features[:10]:
        started = time.process_time()
        verify(query, hits)
        verifying.append(time.process_time() - started)
    kilobytes = np.mean([len(each) for each in features]) * extractor.extraction.row_bytes / 1000
    return [
        f"{kilobytes:.1f}",
        *(f"{1000 * np.median(times):.0f}" for times in (making, verifying)),
    ]


def row(name: str, costs: Sequence[str], found: Sequence[float]) -> str:
    """A row of the table."""
    return f"| {name} | {' | '.join([*costs, *(f'{each:.1f}' for each in found)])} |"


if __name__ == "__main__":
    main()
