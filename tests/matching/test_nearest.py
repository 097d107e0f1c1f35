"""Nearest neighbours against a plain distance matrix."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.matching.nearest import mutual_nearest, nearest, squared_distances

SMALL_MEMORY = 8 * 7  # a row or two a block


def _grid(seed: int, rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Few distinct points, so that equal rows and equal distances abound."""
    return np.random.default_rng(seed).integers(0, 3, (rows, 2)).astype(np.float32)


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_nearest_is_the_first_smallest_of_the_matrix(seed: int, n: int, m: int, one: bool) -> None:
    a, b = _grid(seed, n), _grid(seed + 1, m)
    full = ((a[:, None].astype(float) - b[None]) ** 2).sum(-1)
    index, distance = nearest(a, b, memory=1 if one else SMALL_MEMORY)
    assert index.tolist() == full.argmin(axis=1).tolist()
    assert np.allclose(distance, np.sqrt(full.min(axis=1)))


@given(
    st.integers(0, 10_000),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([None, 0.5, 0.9]),
    st.sampled_from([1, SMALL_MEMORY, 1 << 20]),
)
def test_mutual_nearest_is_mutual(
    seed: int, n: int, m: int, ratio: float | None, memory: int
) -> None:
    a, b = _grid(seed, n), _grid(seed + 1, m)
    full = np.sqrt(((a[:, None].astype(float) - b[None]) ** 2).sum(-1))
    expected = []
    for i in range(n):
        j = int(full[i].argmin())
        second = np.sort(full[i])[1] if m > 1 else np.inf
        passes = ratio is None or full[i, j] < ratio * second
        if full[:, j].argmin() == i and passes:
            expected.append((i, j))
    found = mutual_nearest(a, b, ratio=ratio, memory=memory)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == expected
    assert np.allclose(found.distance, [full[i, j] for i, j in expected])


def test_equal_unit_rows_are_at_distance_zero() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 128))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    assert (np.diag(squared_distances(rows, rows)) == 0).all()


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_matches_nothing(n: int, m: int) -> None:
    assert len(mutual_nearest(np.zeros((n, 4)), np.zeros((m, 4)))) == 0


def test_matching_and_figures_need_no_torch() -> None:
    code = (
        "import sys, solar.matching.nearest, solar.matching.geometry, solar.features.extractor, "
        "solar.evaluation.patches.metrics, solar.evaluation.patches.hpatches.run, "
        "solar.evaluation.patches.phototour, solar.evaluation.patches.homographies.run, "
        "solar.evaluation.report.published, solar.datasets.patches.phototour; "
        "sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
