"""Matching on homography sequences: known warps, and the real ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from solar.datasets.sequences import open_sequence
from solar.evaluation.patches.homographies.run import accuracy_chart, score_sequences, table
from solar.evaluation.patches.homographies.score import (
    DescribedPhoto,
    HomographyResult,
    Pace,
    PairResult,
    error_auc,
    repeatability,
    score_pair,
)
from solar.features.detectors import SiftDetector
from solar.features.keypoints import Keypoints
from solar.features.patch_descriptor import open_patch_descriptor
from solar.features.sift import root_sift
from tests.datasets.builders import write_sequence
from tests.features.pixels import pixels
from tests.features.test_patches import smooth_photo
from tests.shared import shared

SHIFT = np.array([[1.0, 0, 100], [0, 1, 0], [0, 0, 1]])


def photo_with(points: list[tuple[float, float]], numbers: list[float]) -> DescribedPhoto:
    xy = np.array(points, np.float32)
    column = np.ones(len(xy), np.float32)
    descriptors = np.array(numbers, np.float32)[:, None]
    return DescribedPhoto((200, 200), Keypoints(xy, column, column, column), descriptors)


def test_a_pair_by_hand() -> None:
    # A's points move by (100, 0): the first two stay in the frame of B, the third leaves it.
    first = photo_with([(10, 10), (50, 50), (150, 90), (20, 120)], [1, 2, 3, 4])
    other = photo_with([(110, 10), (150, 54), (190, 190), (10, 10)], [1, 2.5, 3.25, 9])
    result = score_pair(first, other, SHIFT, "v_wall", 2)
    # Mutual: 1-1 (0 px), 2-2.5 (4 px), 3-3.25 (far); 4 would take 3.25, which prefers 3.
    assert result.matches == 3
    assert result.keypoints == (4, 4)
    assert result.accuracy == pytest.approx([1 / 3] * 3 + [2 / 3] * 7)
    # Within 3 px of a keypoint of B after the shift: only the first point of A; it ranks first.
    assert result.ap == 1.0
    # Common view: of A (110, 10), (150, 50), (120, 120); of B (110, 10), (150, 54), (190, 190).
    assert result.repeatability == pytest.approx(2 / 6)
    assert result.corner_error == float("inf")  # three matches fix no homography
    assert json.loads(json.dumps(result.to_json()))["corner_error"] is None


def test_a_pair_without_keypoints_scores_zero() -> None:
    none = DescribedPhoto(
        (200, 200),
        Keypoints(np.empty((0, 2), np.float32), *(np.empty(0, np.float32) for _ in range(3))),
        np.empty((0, 0), np.float32),
    )
    some = photo_with([(10, 10)], [1])
    for first, other in ((none, some), (some, none), (none, none)):
        result = score_pair(first, other, np.eye(3), "v_wall", 2)
        assert result.accuracy == (0.0,) * 10
        assert (result.matches, result.repeatability, result.ap) == (0, 0.0, 0.0)


def test_repeatability_counts_the_common_view_only() -> None:
    a = np.array([[150.0, 10], [20, 20]])
    b = np.array([[120.0, 22], [10, 10]])
    assert repeatability(a, b, SHIFT, (200, 200), (200, 200)) == 1.0
    assert repeatability(a, b, np.eye(3), (200, 200), (200, 200)) == 0.0


def test_error_auc_by_hand() -> None:
    assert error_auc([0.0, 0.0], 3) == 1.0
    assert error_auc([5.0, float("inf")], 3) == 0.0
    # From (0, 0) to (1, 1/2), then flat to 2: 1/4 + 1/2, over 2.
    assert error_auc([1.0, float("inf")], 2) == pytest.approx(0.375)


def pair(name: str, accuracy: float, error: float) -> PairResult:
    return PairResult(name, 2, (5, 5), 4, (accuracy,) * 10, accuracy, accuracy, error)


PACE = Pace(0, 0, 0.0, 0.0).plus(1000, 3.0, 0.5).plus(1000, 0.0, 0.5)


def test_means_and_the_table() -> None:
    result = HomographyResult((pair("i_dome", 1.0, 0.0), pair("v_wall", 0.5, float("inf"))), PACE)
    assert result.accuracy == (0.75,) * 10
    assert result.homography_auc == (0.5, 0.5, 0.5)
    viewpoint = result.of("v_")
    assert viewpoint is not None
    assert viewpoint.matching_ap == 0.5
    assert viewpoint.of("i_") is None
    lines = table({"ours": result}).to_markdown().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == [
        "| ours",
        "| ours, illumination",
        "| ours, viewpoint",
    ]
    assert lines[2].endswith("| 50.0 | 50.0 | 50.0 | 2 | 2,000 | 0.50 |")
    assert lines[4].endswith("| 1 |  |  |")  # a part of a run has no pace of its own
    assert len(table({"ours": viewpoint}).rows) == 1
    assert "- MMA: mean over pairs" in "\n".join(lines)


def test_a_shifted_photo_is_matched_almost_perfectly(tmp_path: Path) -> None:
    scene = smooth_photo(300, 500)
    fine = np.random.default_rng(1).integers(-25, 25, scene.shape)
    scene = np.clip(scene.astype(int) + fine, 0, 255).astype(np.uint8)
    photos = [scene[:, :400], scene[:, 60:460]]
    shift = np.array([[1.0, 0, -60], [0, 1, 0], [0, 0, 1]])
    sequence = open_sequence(write_sequence(tmp_path / "v_shift", photos, [shift]))

    for descriptor in (root_sift, pixels()):
        shown: list[tuple[int, int | None]] = []
        result = score_sequences(
            [sequence], SiftDetector(500), descriptor, progress=lambda *n, to=shown: to.append(n)
        )
        assert shown == [(1, 2), (2, 2)]
        assert result.pace is not None
        assert (result.pace.photos, result.pace.patches) == (2, sum(result.pairs[0].keypoints))
        assert result.accuracy[0] > 0.9
        assert result.repeatability > 0.8
        assert result.homography_auc[0] > 0.9
        strict = score_sequences([sequence], SiftDetector(500), descriptor, ratio=0.8)
        assert strict.pairs[0].matches < result.pairs[0].matches
        assert strict.accuracy[0] >= result.accuracy[0]


@pytest.mark.slow
def test_root_sift_on_the_real_sequence() -> None:
    sequence = open_sequence(shared("data/hpatches-mini/v_churchill"))
    result = score_sequences([sequence], SiftDetector(2000), root_sift)
    assert [pair.keypoints for pair in result.pairs] == [(2000, 2000)] * 5
    assert result.accuracy[2] == pytest.approx(0.62, abs=0.01)  # within 3 px


@pytest.mark.slow
def test_tfeat_on_the_real_sequence() -> None:
    tfeat = open_patch_descriptor(shared("data/tfeat/tfeat-liberty.params"), "cpu")
    sequence = open_sequence(shared("data/hpatches-mini/v_churchill"))
    result = score_sequences([sequence], SiftDetector(2000), tfeat)
    assert result.accuracy[2] == pytest.approx(0.61, abs=0.02)  # within 3 px


def test_a_chart_of_many_descriptors_shows_the_first_and_says_so() -> None:
    result = HomographyResult((pair("v_wall", 0.5, 1.0),))
    chart = accuracy_chart({f"way {number}": result for number in range(9)})
    assert "(first 6 of 9)" in chart
    assert chart.count("<polyline") == 6 and "way 6" not in chart
    assert "first" not in accuracy_chart({"ours": result})
