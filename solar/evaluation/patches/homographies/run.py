"""Local matching on homography sequences: photo 1 of each against all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter

from solar.datasets.sequences import HomographySequence, open_sequences
from solar.evaluation.patches.homographies.results import (
    HomographyResult,
    Pace,
    PairResult,
    accuracy_chart,
    table,
)
from solar.evaluation.patches.homographies.score import CORRECT, DescribedPhoto, score_pair
from solar.evaluation.patches.report import PatchReport
from solar.features.descriptors import open_descriptor
from solar.features.detectors import SiftDetector
from solar.features.keypoints import MAGNIFICATION, DescribeKeypoints, Detector, KeypointDescriptor
from solar.typing import AnyPath, GrayImage, Progress


def homographies(
    root: AnyPath,
    to: AnyPath,
    descriptors: Sequence[str] = ("rootsift",),
    *,
    keypoints: int = 2000,
    upright: bool = False,
    ratio: float | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> PatchReport:
    """The benchmark: match sequences of photos with SIFT keypoints and some descriptors.

    Args:
        root: a sequence, or a folder of sequences.
        to: folder of the report.
        descriptors: each what `open_descriptor` takes.
        keypoints: at most so many in a photo.
        upright: ignore orientations.
        ratio: of Lowe's test on top of mutual nearest neighbours; None for none.
        device: where networks run.
        progress: told photos described and in all, of all descriptors.

    Raises:
        UsageError: there is no such descriptor or device.
        SolarError: a sequence is incomplete, or a photo damaged.
    """
    sequences, detector = open_sequences(root), SiftDetector(keypoints, upright)
    opened = _by_title(descriptors, device)
    photos = sum(len(sequence.photos) for sequence in sequences)
    results = {}
    for number, (title, descriptor) in enumerate(opened.items()):

        def show(done: int, total: int, before: int = number * photos) -> None:
            if progress:
                progress(before + done, len(opened) * photos)

        results[title] = score_sequences(
            sequences, detector, descriptor, ratio=ratio, progress=show
        )
    protocol = {
        "detector": "SIFT",
        "keypoints": keypoints,
        "upright": upright,
        "magnification": MAGNIFICATION,
        "ratio": ratio,
        "correct_px": CORRECT,
    }
    figures = {name: result.to_json() for name, result in results.items()}
    report = PatchReport(
        "Matching under known homographies",
        {"protocol": protocol, "descriptors": figures},
        [table(results)],
        _in_words(protocol),
        {"accuracy.svg": accuracy_chart(results)},
    )
    report.write(to)
    return report


def score_sequences(
    sequences: Sequence[HomographySequence],
    detector: Detector,
    descriptor: DescribeKeypoints,
    *,
    ratio: float | None = None,
    progress: Progress | None = None,
) -> HomographyResult:
    """Detect, describe and match; photo 1 of every sequence against each of the others.

    Args:
        sequences: one or more.
        detector: finds keypoints.
        descriptor: describes them.
        ratio: of Lowe's test on top of mutual nearest neighbours; None for none.
        progress: told photos described and in all.

    Raises:
        SolarError: a photo is damaged.
    """
    pace = Pace(0, 0, 0.0, 0.0)
    total = sum(len(sequence.photos) for sequence in sequences)
    pairs: list[PairResult] = []
    for sequence in sequences:
        first = None
        for number in range(len(sequence.photos)):
            described, seconds = _described(sequence.photo(number), detector, descriptor)
            pace = pace.plus(len(described.keypoints), *seconds)
            if first is None:
                first = described
            else:
                homography = sequence.homographies[number - 1]
                scored = score_pair(
                    first, described, homography, sequence.name, number + 1, ratio=ratio
                )
                pairs.append(scored)
            if progress:
                progress(pace.photos, total)
    return HomographyResult(tuple(pairs), pace)


def _described(
    photo: GrayImage, detector: Detector, descriptor: DescribeKeypoints
) -> tuple[DescribedPhoto, tuple[float, float]]:
    """A photo's keypoints and descriptors; the seconds of finding and of describing them."""
    start = perf_counter()
    keypoints = detector(photo)
    found = perf_counter()
    descriptors = descriptor(photo, keypoints)
    done = perf_counter()
    height, width = photo.shape
    described = DescribedPhoto((height, width), keypoints, descriptors)
    return described, (found - start, done - found)


def _by_title(names: Sequence[str], device: str) -> dict[str, KeypointDescriptor]:
    """Two descriptors of one title are told apart by what was typed."""
    descriptors: dict[str, KeypointDescriptor] = {}
    for name in dict.fromkeys(names):
        found = open_descriptor(name, device)
        descriptors[f"{found.name} ({name})" if found.name in descriptors else found.name] = found
    return descriptors


def _in_words(protocol: Mapping[str, object]) -> str:
    turned = "upright" if protocol["upright"] else "turned with their keypoints"
    ratio = "" if protocol["ratio"] is None else f", ratio test {protocol['ratio']:g}"
    return (
        f"{protocol['detector']} keypoints, at most {protocol['keypoints']} a photo; every patch "
        f"{protocol['magnification']:g} keypoint sizes wide, {turned}; mutual nearest "
        f"neighbours{ratio}; correct within {protocol['correct_px']:g} px for repeatability and "
        "AP. patches/s: described; photos/s: detected and described, on this machine.\n"
    )
