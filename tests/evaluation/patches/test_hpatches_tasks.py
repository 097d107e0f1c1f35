"""The HPatches tasks on descriptors of one number, worked out by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from solar.datasets.patches.hpatches import KINDS
from solar.evaluation.patches.hpatches.lists import (
    PairList,
    PatchList,
    RetrievalLists,
    VerificationLists,
)
from solar.evaluation.patches.hpatches.tasks import matching, retrieval, verification


def strips(reference: list[float], **others: list[float]) -> npt.NDArray[np.float32]:
    """(16, N, 1): the reference's numbers in every strip, unless a strip has its own."""
    rows = [others.get(kind, reference) for kind in KINDS]
    return np.array(rows, np.float32)[:, :, None]


def pairs(*rows: tuple[int, int, int, int, int, int]) -> PairList:
    """Rows of sequence, image, patch, sequence, image, patch, as in the published files."""
    table = np.array(rows)
    return PairList(table[:, [0, 3]], table[:, [1, 4]], table[:, [2, 5]])


def test_verification_by_hand() -> None:
    # The reference is 0, 10, 20; e1 moves every patch by 1, h1 by 6, t1 by 30.
    one = strips([0, 10, 20], e1=[1, 11, 21], h1=[6, 16, 26], t1=[30, 40, 50])
    two = strips([100, 101, 104])
    positive = pairs(*[(0, 0, k % 3, 0, 1, k % 3) for k in range(5)])  # at 1, 6, 30
    intra = pairs((0, 0, 0, 0, 1, 1), (0, 0, 1, 0, 1, 0))  # easy 11, 9; hard 16, 4; tough 40, 20
    inter = pairs((0, 1, 0, 1, 0, 0), (1, 0, 0, 1, 2, 1))  # easy 99, 1; hard 94, 1; tough 70, 1
    result = verification([one, two], VerificationLists(positive, intra, inter))
    assert result.auc["easy"] == {"intra": 1.0, "inter": 0.5}  # the tie at 1 goes to the negative
    assert result.auc["hard"] == {"intra": 0.5, "inter": 0.5}
    assert result.auc["tough"] == {"intra": 0.5, "inter": 0.5}
    # A fifth of the five positives is one, with 0 or 1 negatives before it: AP 1 or 1/4.
    assert result.ap["easy"] == {"intra": 1.0, "inter": 0.25}
    assert result.ap["hard"] == {"intra": 0.25, "inter": 0.25}
    assert result.mean_auc == pytest.approx(3.5 / 6)
    assert result.mean_ap == pytest.approx((1 + 5 * 0.25) / 6)


def test_matching_by_hand() -> None:
    # e1: all right. e2: patches 0 and 1 change places, patch 2 is right and nearest.
    # e3: patch 0 matches at distance 2 wrongly, 1 and 2 rightly at 1.
    scene = strips([0, 10, 20], e2=[10.5, 0.5, 20.25], e3=[100, 9, 21], h1=[50, 50, 50])
    result = matching(["v_wall"], [scene])
    easy = result.ap["v_wall"]["easy"]
    assert easy[0] == 1.0
    # Ranking: right at .25, wrong, wrong; one of three positives: 1/3.
    assert easy[1] == pytest.approx(1 / 3)
    # Right, right, then wrong (0 to 9 is 9): two of three positives.
    assert easy[2] == pytest.approx(2 / 3)
    # Equal descriptors: all take patch 0 (the first), at distances 50, 40, 30: right one last.
    assert result.ap["v_wall"]["hard"][0] == pytest.approx(1 / 3 * (0 + 1 / 3) / 2)


def test_illumination_and_viewpoint_count_equally() -> None:
    right, wrong = strips([0, 10]), strips([0, 10], **{kind: [10.0, 0.0] for kind in KINDS[1:]})
    result = matching(["i_a", "i_b", "i_c", "v_a"], [right, right, right, wrong])
    assert result.map_of("easy", "i") == 1.0
    assert result.map_of("easy", "v") == 0.0
    assert result.map_of("easy") == result.mean_ap == 0.5
    assert matching(["i_a"], [right]).mean_ap == 1.0


def test_retrieval_by_hand() -> None:
    # The query 0 has views at 1, 2, 3, 4, 5 (easy), all at 10 (hard), all at 0 (tough).
    views = {f"e{k}": [float(k), 0.0] for k in range(1, 6)}
    views |= {f"h{k}": [10.0, 0.0] for k in range(1, 6)}
    views |= {f"t{k}": [0.0, 0.0] for k in range(1, 6)}
    asked = strips([0, 0.5], **views)
    others = strips([2.5, 7, 0, 5])
    lists = RetrievalLists(
        PatchList(np.array([0]), np.array([0])),
        # The query's own sequence is no distractor: 0.5 is passed over.
        PatchList(np.array([1, 0, 1, 1]), np.array([1, 1, 0, 3])),
    )
    result = retrieval([asked, others], lists, pools=(6, 7, 100))
    assert (result.queries, result.distractors) == (1, 4)
    # Pool 6 has the distractor 7: behind all. Pool 7 adds 2.5, behind two of five views; the
    # distractor 5 ties with the last view, which comes first.
    pool7 = (1 + 1 + (2 / 3 + 3 / 4) / 2 + (3 / 4 + 4 / 5) / 2 + (4 / 5 + 5 / 6) / 2) / 5
    assert result.map["easy"] == pytest.approx({6: 1.0, 7: pool7, 100: pool7})
    late = [
        sum((j / (j + f or 1) + (j + 1) / (j + 1 + f)) / 2 for j in range(5)) / 5 for f in (1, 2, 3)
    ]
    assert result.map["hard"] == pytest.approx(dict(zip((6, 7, 100), late, strict=True)))
    assert result.map["tough"] == {6: 1.0, 7: 1.0, 100: 1.0}
    assert result.mean_ap == pytest.approx((1 + 2 * pool7 + sum(late) + 3) / 9)


def test_retrieval_does_not_depend_on_the_blocks() -> None:
    """Many queries at once equal one query at a time."""
    random = np.random.default_rng(0)
    scenes = [random.normal(size=(16, 200, 4)).astype(np.float32) for _ in range(2)]
    distractors = PatchList(random.integers(0, 2, 90), random.integers(0, 200, 90))
    queries = PatchList(np.repeat([0, 1], 150), np.tile(np.arange(150), 2))
    together = retrieval(scenes, RetrievalLists(queries, distractors), pools=(10, 50))
    single = [
        retrieval(
            scenes,
            RetrievalLists(PatchList(queries.sequence[[row]], queries.patch[[row]]), distractors),
            pools=(10, 50),
        ).map["hard"][50]
        for row in range(0, 300)
    ]
    assert together.map["hard"][50] == pytest.approx(np.mean(single))
