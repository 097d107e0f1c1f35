"""The task lists: the published rows, and what every list must keep to."""

import numpy as np
import pytest

from solar.datasets.patches.hpatches import read_splits
from solar.errors import UsageError
from solar.evaluation.patches.hpatches.lists import retrieval_lists, verification_lists
from tests.shared import shared

# Lengths that the published lists of split a imply for the sequences of their first rows.
LENGTHS = {
    "v_birdwoman": 2000, "v_strand": 1816, "i_salon": 1102, "i_zion": 2000, "v_courses": 1500,
    "i_fog": 720, "i_books": 424, "v_soldiers": 1500, "i_resort": 1700, "v_woman": 1000,
}  # fmt: skip
PUBLISHED_POSITIVES = [
    ("v_birdwoman", 251),
    ("v_strand", 1625),
    ("i_salon", 1100),
    ("i_zion", 1766),
]
PUBLISHED_QUERIES = [
    ("v_birdwoman", 3), ("v_strand", 2), ("i_salon", 324), ("i_zion", 1263), ("v_courses", 604),
    ("v_birdwoman", 795), ("i_fog", 534), ("v_abstract", 1821), ("i_books", 317), ("i_books", 86),
    ("v_feast", 1074), ("v_soldiers", 1493), ("v_busstop", 831), ("v_feast", 1066),
    ("i_table", 1227), ("v_coffeehouse", 346), ("i_resort", 1081), ("v_feast", 58),
    ("v_fest", 679), ("v_pomegranate", 1709), ("i_resort", 510), ("v_courses", 1341),
    ("v_azzola", 1456), ("i_bridger", 1395), ("v_coffeehouse", 206),
]  # fmt: skip


def test_the_first_rows_of_the_published_queries() -> None:
    names = read_splits(shared("data/hpatches-splits.json"))["a"].test
    masks = [np.ones(LENGTHS.get(name, 2000), bool) for name in names]
    queries = retrieval_lists(masks).queries
    assert len(queries) == 10_000
    drawn = [
        (names[sequence], patch)
        for sequence, patch in zip(queries.sequence[:25], queries.patch[:25].tolist(), strict=True)
    ]
    assert drawn == PUBLISHED_QUERIES


@pytest.mark.slow
def test_the_first_rows_of_the_published_positives() -> None:
    names = read_splits(shared("data/hpatches-splits.json"))["a"].test
    # Short sequences are quick to draw from, and the first rows come from these four.
    known = dict(PUBLISHED_POSITIVES)
    lists = verification_lists([LENGTHS[name] if name in known else 2 for name in names])
    positive = lists.positive
    assert len(positive) == len(lists.intra) == len(lists.inter) == 1_000_000
    drawn = [
        (names[sequence], patch)
        for sequence, patch in zip(
            positive.sequence[:4, 0], positive.patch[:4, 0].tolist(), strict=True
        )
    ]
    assert drawn == PUBLISHED_POSITIVES


def test_pairs_are_what_their_lists_say() -> None:
    lengths = np.array([5, 2, 9])
    lists = verification_lists(lengths.tolist(), pairs=2000)
    positive, intra, inter = lists.positive, lists.intra, lists.inter
    assert (positive.sequence[:, 0] == positive.sequence[:, 1]).all()
    assert (positive.patch[:, 0] == positive.patch[:, 1]).all()
    assert (intra.sequence[:, 0] == intra.sequence[:, 1]).all()
    assert (intra.patch[:, 0] != intra.patch[:, 1]).all()
    assert (inter.sequence[:, 0] != inter.sequence[:, 1]).any()
    for pairs in (positive, intra, inter):
        assert (pairs.image[:, 0] != pairs.image[:, 1]).all()
        assert set(np.unique(pairs.image).tolist()) == {0, 1, 2, 3, 4}
        assert (pairs.patch < lengths[pairs.sequence]).all()
        assert (pairs.patch >= 0).all()


def test_the_lists_are_the_same_every_time() -> None:
    one, two = verification_lists([4, 7], pairs=50), verification_lists([4, 7], pairs=50)
    assert np.array_equal(one.inter.patch, two.inter.patch)
    assert np.array_equal(one.positive.image, two.positive.image)


def test_retrieval_takes_textured_patches_once_and_in_one_list_only() -> None:
    textured = [np.arange(30) % 3 > 0, np.arange(20) % 2 == 0]
    lists = retrieval_lists(textured, queries=8, distractors=12)
    rows = []
    for part in (lists.queries, lists.distractors):
        rows += list(zip(part.sequence.tolist(), part.patch.tolist(), strict=True))
    assert (len(lists.queries), len(lists.distractors)) == (8, 12)
    assert len(set(rows)) == 20
    assert all(textured[sequence][patch] for sequence, patch in rows)


def test_impossible_lists_are_refused() -> None:
    with pytest.raises(UsageError, match="two patches or more"):
        verification_lists([5, 1])
    with pytest.raises(UsageError, match="sequences with patches"):
        retrieval_lists([np.ones(3, bool), np.ones(0, bool)])
    with pytest.raises(UsageError, match="more textured patches"):
        retrieval_lists([np.zeros(3, bool)])
