"""A whole index of each kind of vectors: it grows, changes, is compacted, renewed and checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from solar.errors import IndexDamaged, UsageError
from solar.index import Index, index_photos
from solar.index.vectors import KINDS, choice
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes
from tests.index.bytes_features import BytesFeatures
from tests.index.listing import found, paths
from tests.index.vectors.test_congruence import EMBEDDED

every_kind = pytest.mark.parametrize("kind", EMBEDDED)


def check(index: Index, photos: Path) -> None:
    """Every photo is found first by its own content, and all is as it was written."""
    assert index.verify() == []
    for path in paths(index):
        query = describe_bytes((photos / path).read_bytes())[None]
        (hits,) = found(index, query, 1)
        assert hits[0].path == path and hits[0].score > 0.999


@every_kind
def test_an_index_lives_on_in_its_kind(kind: str, tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind=kind)
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
    of_rows = getattr(KINDS[kind], "rows", KINDS[kind])  # So few are in no lists.
    assert sum(sizes) == rows * of_rows.row_bytes(EXTRACTION.dimensions)


def test_a_kind_that_is_none_is_refused(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(UsageError, match="kind round: use exact, float16"):
        index_photos(tmp_path / "i", [photos], model=BytesExtractor(), local=None, kind="round")
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [*(("exact", kind) for kind in EMBEDDED), *((kind, "float16") for kind in EMBEDDED)],
)
def test_an_index_is_converted_and_no_photo_is_read(
    before: str, after: str, tmp_path: Path, photos: Path
) -> None:
    extractor = BytesExtractor()
    index = Index.create(tmp_path / "i", extractor, local=None, kind=before)
    index.keep_features(BytesFeatures())
    index.add(photos)
    index.remove(photos / "b.jpg")
    held, described = paths(index), len(extractor.described)
    reader = Index.open(tmp_path / "i")
    rows = index.descriptors(held.values())
    told: list[tuple[int, int]] = []
    index.convert(after, lambda done, count: told.append((done, count)))
    assert index.kind == after and paths(index) == held and described == len(extractor.described)
    np.testing.assert_array_equal(index.descriptors(held.values()), KINDS[after].kept(rows))
    assert all(each is not None for each in index.features(held.values()))
    check(index, photos)
    assert reader.kind == before and paths(reader) == held
    np.testing.assert_array_equal(reader.descriptors(held.values()), rows)
    assert told[-1:] == ([] if before == after else [(len(held), len(held))])
    names = {file.name for file in index.folder.iterdir()}
    number = 1 if before == after else 2
    expected = {file.name for file in KINDS[after].files(index.folder, number)}
    assert names == {"lock", f"catalogue-{number:06d}.db", f"features-{number:06d}.bin", *expected}
    assert len(index.add(photos).added) == 1


def test_damage_stops_a_conversion_and_changes_nothing(tmp_path: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None)
    index.add(photos)
    file = tmp_path / "i" / "descriptors-000001.bin"
    whole = bytearray(file.read_bytes())
    whole[9] ^= 1
    file.write_bytes(whole)
    with pytest.raises(IndexDamaged, match="damaged, by its checksum"):
        index.convert("sq8")
    assert index.kind == "exact" and len(Index.open(tmp_path / "i").verify()) == 1


def test_index_photos_converts_where_it_is_told_a_kind(tmp_path: Path, photos: Path) -> None:
    index_photos(tmp_path / "i", [photos], model=BytesExtractor(), local=None, kind="float16")
    index_photos(tmp_path / "i", [photos], model=BytesExtractor(), local=None)
    assert Index.open(tmp_path / "i").kind == "float16"
    (photos / "new.jpg").write_text("new")
    done = index_photos(tmp_path / "i", [photos], model=BytesExtractor(), local=None, kind="sq8")
    assert len(done.report.added) == 1 and Index.open(tmp_path / "i").kind == "sq8"
    index_photos(tmp_path / "i", kind="exact")
    assert Index.open(tmp_path / "i").kind == "exact"


def test_a_new_index_says_what_its_kind_costs(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = index_photos(tmp_path / "i", [photos], model=BytesExtractor(), local=None)
    assert done.kind == "exact"
    assert done.cost == "kind exact: 96 bytes a photo, a search finds all of the ten nearest"
    assert index_photos(tmp_path / "i", [photos], model=BytesExtractor(), local=None).cost is None
    done = index_photos(tmp_path / "i", kind="sq8")
    assert done.cost is not None and "20 bytes a photo, a search finds about 9" in done.cost
    monkeypatch.setattr(choice, "MANY", 5)
    done = index_photos(tmp_path / "many", [photos], model=BytesExtractor(), local=None)
    assert done.kind == Index.open(tmp_path / "many").kind == "rabitq"
    fewer = index_photos(
        tmp_path / "fewer", [photos], model=BytesExtractor(), local=None, exclude=["more"]
    )
    assert fewer.kind == "exact"
