"""A whole index of each kind of vectors: it grows, changes, is compacted, renewed and checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from solar.errors import UsageError
from solar.index import Index, index_photos
from solar.index.vectors import KINDS
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes
from tests.index.listing import found, paths

every_kind = pytest.mark.parametrize("kind", KINDS)


def check(index: Index, photos: Path) -> None:
    """Every photo is found first by its own content, and all is as it was written."""
    assert index.verify() == []
    for path in paths(index):
        query = describe_bytes((photos / path).read_bytes())[None]
        (hits,) = found(index, query, 1)
        assert hits[0].path == path and hits[0].score > 0.999


@every_kind
def test_an_index_lives_on_in_its_kind(kind: str, tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), kind=kind)
    index.add(photos)
    index = Index.open(tmp_path / "i", BytesExtractor())
    assert index.kind == index.info().kind == kind
    check(index, photos)
    (photos / "new.jpg").write_text("new")
    (photos / "a.jpg").write_text("changed")
    assert len(index.add(photos).added) == 1
    index.remove(photos / "b.jpg")
    check(index, photos)
    unused = index.info().reclaimable
    index.compact()
    assert index.kind == kind and index.info().reclaimable < unused
    check(index, photos)
    kept = index.descriptors(list(index))
    np.testing.assert_array_equal(KINDS[kind].kept(kept), kept)
    index.renew(BytesExtractor(replace(EXTRACTION, fingerprint="0" * 64)))
    assert index.kind == kind
    assert index.verify() == []
    rows = len(index)
    sizes = [file.stat().st_size for file in KINDS[kind].files(index.folder, 3)]
    assert sum(sizes) == rows * KINDS[kind].row_bytes(EXTRACTION.dimensions)


def test_another_kind_than_the_index_has_is_refused(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(UsageError, match="kind round: use exact or float16"):
        index_photos(tmp_path / "i", [photos], model=BytesExtractor(), kind="round")
    assert not (tmp_path / "i").exists()
    index_photos(tmp_path / "i", [photos], model=BytesExtractor(), kind="float16")
    index_photos(tmp_path / "i", [photos], model=BytesExtractor())
    with pytest.raises(UsageError, match="is of kind float16: leave --kind out"):
        index_photos(tmp_path / "i", [photos], model=BytesExtractor(), kind="exact")
