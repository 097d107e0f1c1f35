"""Database-side augmentation: against loops, in blocks, and stored in an index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.index import Index
from solar.rerank import augmented
from solar.typing import Descriptors
from tests.evaluation.fakes import unit_rows
from tests.index.bytes_extractor import BytesExtractor


def by_loops(rows: Descriptors, neighbours: int, alpha: float) -> Descriptors:
    found = []
    for i, row in enumerate(rows.astype(float)):
        others = sorted(
            (j for j in range(len(rows)) if j != i), key=lambda j: -float(rows[j] @ row)
        )
        similar = {j: float(rows[j] @ row) for j in others[:neighbours]}
        total = row + sum((s**alpha * rows[j] for j, s in similar.items() if s > 0), 0 * row)
        found.append(total / np.linalg.norm(total))
    return np.array(found, np.float32)


@given(st.integers(1, 40), st.integers(0, 6), st.floats(0, 4), st.integers(0, 2**32 - 1))
def test_it_is_its_formula(count: int, neighbours: int, alpha: float, seed: int) -> None:
    rows = unit_rows(np.random.default_rng(seed), count, 6)
    before = rows.copy()
    found = augmented(rows, neighbours, alpha)
    np.testing.assert_allclose(found, by_loops(rows, neighbours, alpha), atol=2e-5)
    np.testing.assert_array_equal(rows, before)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit_rows(np.random.default_rng(5), 50, 8)
    whole = augmented(rows, 3)
    monkeypatch.setattr("solar.rerank.augmentation._BYTES", 7 * 4 * 50)
    np.testing.assert_allclose(augmented(rows, 3), whole, atol=1e-6)


def test_few_rows_and_wrong_settings() -> None:
    for count in (0, 1):
        rows = unit_rows(np.random.default_rng(0), count, 4)
        np.testing.assert_array_equal(augmented(rows), rows)
    for wrong in ((-1, 1.0), (1, -1.0)):
        with pytest.raises(UsageError, match="augmentation"):
            augmented(np.eye(3, dtype=np.float32), *wrong)


def test_it_is_stored_in_an_index_of_its_own(tmp_path: Path) -> None:
    """As docs/rerank.md says."""
    (tmp_path / "photos").mkdir()
    for name in "abcdef":
        (tmp_path / "photos" / f"{name}.jpg").write_text(name)
    index = Index.create(tmp_path / "my.index", BytesExtractor(), local=None)
    index.add(tmp_path / "photos")
    rows = index.descriptors_file()
    moved = augmented(rows.descriptors, 1)
    other = Index.create(tmp_path / "augmented.index", BytesExtractor(), local=None)
    other.add_descriptors(rows.paths.tolist(), moved, rows.extraction)
    query = index.descriptors([index.id_of(tmp_path / "photos" / "a.jpg")])[0]
    hits = other.search(tmp_path / "photos" / "a.jpg", top=6)
    assert {hit.path for hit in hits} == set(rows.paths.tolist())
    assert [hit.score for hit in hits] == pytest.approx(sorted(moved @ query)[::-1], abs=1e-6)
