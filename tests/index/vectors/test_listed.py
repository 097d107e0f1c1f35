"""Kinds that search by lists: what they find, what they may miss, and that nothing hurts them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from solar.errors import IndexDamaged, UsageError
from solar.index import Index
from solar.index.vectors import KINDS, listed
from solar.index.vectors._arrays import raw_sum, save_arrays
from solar.index.vectors._coders import rotation
from solar.index.vectors._lists import part_file
from solar.index.vectors.listed import Effort, Listed, ListedVectors
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes
from tests.index.listing import found, paths
from tests.index.vectors.test_congruence import by_sorting, compare, unit

LISTED = [name for name, kind in KINDS.items() if isinstance(kind, Listed)]
every_listed = pytest.mark.parametrize("kind", LISTED)
D = 36  # No multiple of 8.


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if few rows were many."""
    monkeypatch.setattr(listed, "ENOUGH", 100)
    monkeypatch.setattr(listed, "_LEAST_SAMPLE", 500)
    monkeypatch.setattr(listed, "_SPLIT", 300)
    yield


def clustered(seed: int, count: int, dimensions: int = D) -> NDArray[np.float32]:
    chance = np.random.default_rng(seed)
    middles = chance.standard_normal((max(count // 20, 1), dimensions))
    return unit(
        middles[chance.integers(0, len(middles), count)]
        + 0.5 * chance.standard_normal((count, dimensions))
    )


def held(
    folder: Path, kind: str, descriptors: NDArray[np.float32], ends: list[int]
) -> ListedVectors:
    """Vectors with a part of lists for the rows up to each end, and then perhaps some without."""
    count, dimensions = descriptors.shape
    folder.mkdir(exist_ok=True)
    writer, start = KINDS[kind].write(folder, 1, dimensions), 0
    for end in ends:
        writer.write(start, descriptors[start:end])
        writer.sync()
        KINDS[kind].arrange(folder, 1, dimensions, end)
        start = end
    writer.write(start, descriptors[start:])
    writer.close()
    opened = KINDS[kind].open(folder, 1, dimensions, count)
    assert isinstance(opened, ListedVectors)
    return opened


@pytest.mark.parametrize("side", [8, 136, 512])
def test_the_rotation_is_one_and_will_always_be_the_same(side: int) -> None:
    """No index keeps it: with another one, all that were written would find nothing."""
    turn = rotation(side)
    assert turn.shape == (side, side) and np.allclose(turn @ turn.T, np.eye(side), atol=1e-5)
    assert np.abs(turn).max() < 6 / side**0.5  # No number stays by itself.
    known = {8: (0.29124, 0.33514), 136: (0.14080, -0.04615), 512: (0.00566, 0.00689)}
    assert np.allclose(turn[[1, -1], [2, 3]], known[side], atol=1e-5)


@every_listed
def test_nearly_all_are_found_in_the_order_of_the_rows(kind: str, tmp_path: Path) -> None:
    descriptors = clustered(1, 3000)
    vectors = held(tmp_path, kind, descriptors, [1000, 2500])
    assert vectors.listed == 2500 and len(vectors.parts) == 2
    chance = np.random.default_rng(2)
    owners = chance.permutation(9000)[:3000]
    owners[chance.random(3000) < 0.4] = -1
    queries = clustered(1, 3000)[::100]
    scores, ids = vectors.search(queries, owners, 10)
    expected_scores, expected = by_sorting(kind, queries, descriptors, owners, 10)
    shared = [len(set(one) & set(other)) for one, other in zip(ids, expected, strict=True)]
    assert ids.shape == expected.shape and sum(shared) >= 0.9 * ids.size
    assert all(len(set(row)) == 10 for row in ids.tolist())
    assert np.isin(ids, owners[owners >= 0]).all() and (np.diff(scores) <= 0).all()
    where = {owner: row for row, owner in enumerate(owners.tolist())}
    kept = KINDS[kind].kept(descriptors)
    for query, row, told in zip(queries, ids, scores, strict=True):
        true = (kept[[where[each] for each in row]] * query.astype(np.float64)).sum(axis=1)
        np.testing.assert_array_equal(told, true.astype(np.float32).clip(-1, 1))
    compare(vectors.exact(queries, owners, 10), (expected_scores, expected))


@every_listed
def test_looking_at_all_finds_all(kind: str, tmp_path: Path) -> None:
    descriptors = clustered(3, 1500)
    vectors = held(tmp_path, kind, descriptors, [1400])
    vectors.effort = Effort(1 << 20, 1 << 20)
    owners = np.arange(1500)
    owners[::3] = -1
    for top in (1, 7, 900, 2000):
        found_now = vectors.search(descriptors[:5], owners, top)
        compare(found_now, by_sorting(kind, descriptors[:5], descriptors, owners, top))


@every_listed
def test_a_few_owned_rows_among_many_are_all_found(kind: str, tmp_path: Path) -> None:
    descriptors = clustered(4, 2000)
    vectors = held(tmp_path, kind, descriptors, [2000])
    for count in (1, 5, 300):  # The last by lists, of which most are left out.
        owners = np.full(2000, -1)
        chosen = np.random.default_rng(count).choice(2000, count, replace=False)
        owners[chosen] = chosen
        scores, ids = vectors.search(descriptors[:3], owners, 4)
        assert ids.shape == (3, min(4, count)) and np.isin(ids, chosen).all()
        if count <= 5:
            expected = by_sorting(kind, descriptors[:3], descriptors, owners, 4)
            compare((scores, ids), expected)


@every_listed
def test_what_few_probes_do_not_reach_is_made_up_for(kind: str, tmp_path: Path) -> None:
    descriptors = clustered(5, 2000)
    vectors = held(tmp_path, kind, descriptors, [2000])
    vectors.effort = Effort(1, 1)
    owners = np.arange(2000)
    compare(
        vectors.search(descriptors[:2], owners, 1900),
        by_sorting(kind, descriptors[:2], descriptors, owners, 1900),
    )


@every_listed
def test_threads_agree(kind: str, tmp_path: Path) -> None:
    descriptors = clustered(6, 2000)
    vectors, owners = held(tmp_path, kind, descriptors, [900, 1900]), np.arange(2000)
    expected = held(tmp_path / "other", kind, descriptors, [900, 1900])
    answers = []

    def search() -> None:
        answers.append(vectors.search(descriptors[:30], owners, 10))

    running = [threading.Thread(target=search) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for answer in answers:
        compare(answer, expected.search(descriptors[:30], owners, 10))
    assert len(answers) == 4


@every_listed
def test_a_reader_of_an_earlier_commit_sees_no_later_part(kind: str, tmp_path: Path) -> None:
    descriptors = clustered(7, 1200)
    held(tmp_path, kind, descriptors, [500, 1100])
    earlier = KINDS[kind].open(tmp_path, 1, D, 600)
    assert isinstance(earlier, ListedVectors) and earlier.listed == 500
    _, ids = earlier.search(descriptors[:50], np.arange(600), 9)
    assert ids.max() < 600


@every_listed
def test_every_flip_in_lists_is_found_and_ends_no_process(kind: str, tmp_path: Path) -> None:
    descriptors = clustered(8, 300, 16)
    vectors = held(tmp_path, kind, descriptors, [250])
    rows, owners, told = np.arange(300), np.arange(300), 0
    right = vectors.search(descriptors[:20], owners, 5)
    for file in KINDS[kind].files(tmp_path, 1)[-2:]:
        whole = file.read_bytes()
        for position in range(0, len(whole), 41):
            broken = bytearray(whole)
            broken[position] ^= 1 << position % 8
            file.write_bytes(broken)
            try:
                opened = KINDS[kind].open(tmp_path, 1, 16, 300)
                verified = opened.damaged(rows).any()
                answer = opened.search(descriptors[:20], owners, 5)
                if not verified:  # Between two arrays.
                    compare(answer, right)
            except IndexDamaged as error:
                assert "delete it and run `solar compact`" in str(error)
                told += 1
        file.write_bytes(whole)
        for cut in (0, 9, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:cut])
            with pytest.raises(IndexDamaged, match="solar compact"):
                KINDS[kind].open(tmp_path, 1, 16, 300)
        file.write_bytes(whole)
    assert told > 20
    assert not KINDS[kind].open(tmp_path, 1, 16, 300).damaged(rows).any()


@pytest.mark.parametrize(
    "kind", [LISTED[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in LISTED[1:])]
)
def test_an_index_with_lists_lives_on(kind: str, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind=kind)
    names = [f"{n}.jpg" for n in range(400)]
    rows = np.stack([describe_bytes(name.encode()) for name in names])

    def check(count: int) -> None:
        for each in (index, Index.open(tmp_path / "i")):
            assert each.verify() == []
            first = found(each, rows[:300:20], 1)
            assert [hits[0].path for hits in first] == names[:300:20]
        parts = [f for f in index.folder.iterdir() if f.name.startswith("lists-")]
        assert len(parts) == count

    index.add_descriptors(names[:300], rows[:300], EXTRACTION)
    check(1)
    index.add_descriptors(names[300:350], rows[300:350], EXTRACTION)
    check(1)
    index.add_descriptors(names[350:], rows[350:], EXTRACTION)
    check(2)
    index.remove([paths(index)[name] for name in names[301:]])
    check(2)
    index.compact()
    check(1)
    index.convert("exact")
    check(0)
    index.convert(kind)
    check(1)
    file = next(index.folder.glob("lists-*"))
    whole = bytearray(file.read_bytes())
    whole[-9] ^= 1
    file.write_bytes(whole)
    assert "searched" in " ".join(Index.open(tmp_path / "i").verify())
    file.unlink()
    index = Index.open(tmp_path / "i")
    check(0)
    index.compact()
    check(1)


def test_what_a_stranger_puts_into_lists_ends_in_one_line(tmp_path: Path) -> None:
    """With all checksums right: rows that are not there, and codes that nobody made."""
    descriptors = clustered(9, 400, 16)
    vectors = held(tmp_path, "ivf-pq", descriptors, [400])
    (part,), trained = vectors.parts, vectors.trained
    assert trained is not None
    file = part_file(tmp_path, 1, 0)
    chance = np.random.default_rng(1)
    lists = [part.list(n) for n in range(len(trained.middles))]
    sizes = np.array([len(rows) for rows, _ in lists], "<u4")

    def forge(rows: NDArray[np.uint32], blocks: NDArray[np.uint8], count: object = 400) -> None:
        ends = np.cumsum(sizes, dtype=np.int64)
        of_blocks = np.cumsum(-(-sizes.astype(np.int64) // 32)) * trained.block_bytes
        sums = [
            np.frombuffer(raw_sum(a, b), np.uint8)
            for a, b in zip(
                np.split(rows, ends[:-1]), np.split(blocks, of_blocks[:-1]), strict=True
            )
        ]
        checked = {"sizes": sizes, "sums": np.stack(sums)}
        save_arrays(file, {"count": count}, checked, {"rows": rows, "blocks": blocks})

    rows, blocks = (np.concatenate(each) for each in zip(*lists, strict=True))
    forge(rows, chance.integers(0, 256, len(blocks)).astype(np.uint8))
    opened = KINDS["ivf-pq"].open(tmp_path, 1, 16, 400)
    assert opened.search(descriptors[:3], np.arange(400), 5)[1].shape == (3, 5)
    for wrong in (rows + np.uint32(400), rows.astype("<u4") * np.uint32(1 << 20)):
        forge(wrong.astype("<u4"), blocks)
        opened = KINDS["ivf-pq"].open(tmp_path, 1, 16, 400)
        assert opened.damaged(np.arange(400)).any()
        with pytest.raises(IndexDamaged, match="solar compact"):
            opened.search(descriptors[:50], np.arange(400), 5)
    for arrays, count in (((rows[1:], blocks), 400), ((rows, blocks[1:]), 400)):
        with pytest.raises((IndexDamaged, ValueError)):
            forge(*arrays, count)
            KINDS["ivf-pq"].open(tmp_path, 1, 16, 400)
    for odd in (-1, "400", None, 1 << 40, 3):
        forge(rows, blocks, odd)
        with pytest.raises(IndexDamaged, match="solar compact"):
            KINDS["ivf-pq"].open(tmp_path, 1, 16, 400)


def test_tuning_keeps_the_fastest_that_finds_enough(tmp_path: Path) -> None:
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind="ivf-rabitq")
    names = [f"{n}.jpg" for n in range(900)]
    rows = clustered(3, 900, EXTRACTION.dimensions)
    index.add_descriptors(names, rows, EXTRACTION)
    told: list[tuple[int, int]] = []
    tuning = index.tune(0.9, 40, lambda done, count: told.append((done, count)))
    recalls = [each.recall_at_10 for each in tuning.settings]
    assert recalls == sorted(recalls) and recalls[-1] > 0.95
    assert tuning.chosen.recall_at_10 >= 0.9 and tuning.queries == 40
    assert tuning.chosen == next(each for each in tuning.settings if each.recall_at_10 >= 0.9)
    assert told[-1][0] == told[-1][1] == len(told)
    again = Index.open(tmp_path / "i")._snapshot
    assert (again.commit.probes, again.commit.candidates) == (
        tuning.chosen.probes,
        tuning.chosen.candidates,
    )
    assert isinstance(again.vectors, ListedVectors) and again.vectors.effort == (
        tuning.chosen.probes,
        tuning.chosen.candidates,
    )
    for wrong in ({"recall": 0.0}, {"recall": 1.1}, {"queries": 0}):
        with pytest.raises(UsageError, match="recall"):
            index.tune(**wrong)
    index.convert("exact")
    assert index._snapshot.commit.probes == 0
    with pytest.raises(UsageError, match="nothing to tune"):
        index.tune()


def test_a_kill_between_two_files_is_made_good(tmp_path: Path) -> None:
    """What was learned, but no lists; half a file; lists of rows that no commit has."""
    index = Index.create(tmp_path / "i", BytesExtractor(), local=None, kind="ivf-pq")
    names = [f"{n}.jpg" for n in range(300)]
    rows = np.stack([describe_bytes(name.encode()) for name in names])
    index.add_descriptors(names, rows, EXTRACTION)
    (part,) = index.folder.glob("lists-*")
    whole = part.read_bytes()
    part.rename(index.folder / f".{part.name}.12345678.partial")
    index = Index.open(index.folder)
    assert [hits[0].path for hits in found(index, rows[:9], 1)] == names[:9]
    assert index.verify() == []
    index.remove(0)
    assert not list(index.folder.glob(".*")) and part.read_bytes() == whole
