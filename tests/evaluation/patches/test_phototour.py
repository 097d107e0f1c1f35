"""PhotoTour figures on a scene written in its format."""

from pathlib import Path

import numpy as np
import pytest

from solar.datasets.patches.phototour import PhotoTour
from solar.errors import UsageError
from solar.evaluation.patches.phototour import (
    COLUMNS,
    PhotoTourResult,
    score_scene,
    table,
)
from solar.features.keypoints import FloatArray
from tests.datasets.builders import write_phototour
from tests.features.pixels import pixels


def brightness(patches: FloatArray) -> FloatArray:
    """A one-number descriptor: distances are differences of grey."""
    means: FloatArray = patches.mean((2, 3))
    return means


@pytest.fixture
def scene(tmp_path: Path) -> PhotoTour:
    greys = [10, 11, 50, 52, 90, 95]  # points 0, 1, 2: positives at distances 1, 2, 5
    patches = np.stack([np.full((64, 64), grey, np.uint8) for grey in greys])
    pairs = [(0, 1), (2, 3), (4, 5), (0, 2), (1, 4), (3, 4)]  # negatives at 40, 79, 38
    return PhotoTour(write_phototour(tmp_path / "liberty", patches, [0, 0, 1, 1, 2, 2], pairs))


def test_a_scene_by_hand(scene: PhotoTour) -> None:
    result = score_scene(scene, pixels(brightness, 1), trained_on="yosemite")
    assert (result.positives, result.negatives) == (3, 3)
    assert result.fpr95 == result.fpr95_hardnet == result.fdr95 == 0.0
    assert result.to_json() == {
        "scene": "liberty",
        "trained_on": "yosemite",
        "pairs": "m50_100000_100000_0.txt",
        "positives": 3,
        "negatives": 3,
        "fpr95": 0.0,
        "fpr95_hardnet": 0.0,
        "fdr95": 0.0,
    }


def test_negatives_at_the_threshold_count(scene: PhotoTour) -> None:
    # Positives at 1, 2 and 45 - 40 = 5 do not separate from a negative pair at 5.
    (scene.folder / "hard.txt").write_text("0 0 0 1 0 0\n4 2 0 5 2 0\n4 0 0 5 9 0\n2 1 0 5 2 0\n")
    result = score_scene(scene, pixels(brightness, 1), pairs_name="hard.txt")
    assert (result.fpr95, result.fpr95_hardnet) == (0.5, 0.0)


def test_descriptors_are_made_once(scene: PhotoTour) -> None:
    steps: list[tuple[int, int]] = []
    first = score_scene(scene, pixels(brightness, 1), progress=lambda *step: steps.append(step))
    assert steps == [(6, 6)]

    def never(patches: FloatArray) -> FloatArray:
        raise AssertionError("described twice")

    assert score_scene(scene, pixels(never, 1)) == first


def test_other_pairs_are_described_anew(scene: PhotoTour) -> None:
    score_scene(scene, pixels(brightness, 1))
    (scene.folder / "m50_100000_100000_0.txt").write_text("0 0 0 1 0 0\n0 0 0 2 1 0\n")
    assert score_scene(scene, pixels(brightness, 1)).negatives == 1


def test_pairs_of_one_kind_are_refused(scene: PhotoTour) -> None:
    (scene.folder / "same.txt").write_text("0 0 0 1 0 0\n")
    with pytest.raises(UsageError, match="one kind is missing"):
        score_scene(scene, pixels(brightness, 1), pairs_name="same.txt")


def result_of(trained_on: str | None, scene: str, rate: float) -> PhotoTourResult:
    return PhotoTourResult(scene, trained_on, "pairs", 1, 1, rate, rate, rate)


def test_the_table_has_six_columns_and_their_mean() -> None:
    results = [result_of(*column, 0.01 * (k + 1)) for k, column in enumerate(COLUMNS)]
    lines = table("ours", results).to_markdown().splitlines()
    assert lines[0].count("→") == 7 and "lower is better" in lines[-2]
    assert lines[2] == "| ours | 1.00 | 2.00 | 3.00 | 4.00 | 5.00 | 6.00 | 3.50 |"
    assert table("part", results[:1]).rows[0] == ["part", "1.00", *["–"] * 6]
    untrained = table("SIFT", [result_of(None, "liberty", 0.25)])
    assert untrained.rows[0] == ["SIFT", "25.00", "25.00", *["–"] * 5]
    assert "| HardNet+ | 1.49 | 2.51 | 0.53 | 0.78 | 1.96 | 1.84 | 1.51 |" in lines
