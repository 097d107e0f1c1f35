"""Photos ranked by the words of their local features, and verified: ASMK* measured."""

from __future__ import annotations

from collections.abc import Sequence

from solar.aggregation import InvertedFile, Vocabulary
from solar.errors import UsageError
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.ranking import Evidence, Ranking
from solar.rerank.geometric import order, verify

VERIFIED = 100
"""First hits that are verified, as `solar.rerank.geometric` does."""


def rank_by_words(
    features: FeaturesOfSet, vocabulary: Vocabulary, verified: int = 0
) -> list[Ranking]:
    """Rank a data set by ASMK*.

    Args:
        features: of its photos and queries, made as the vocabulary says.
        vocabulary: of the kind "asmk".
        verified: so many first hits are put in order by keypoints that agree with the query's.

    Returns:
        Per query all photos; scores are the kernel's.

    Raises:
        UsageError: a vocabulary of another kind, or a negative number of hits.
    """
    if verified < 0:
        raise UsageError(f"{verified} hits to verify: use 0 or more")
    index = InvertedFile(vocabulary, features.database)
    rankings = [index.ranking(query) for query in features.queries]
    if not verified:
        return rankings
    return [_verified(ranking, features, row, verified) for row, ranking in enumerate(rankings)]


def _verified(ranking: Ranking, features: FeaturesOfSet, row: int, most: int) -> Ranking:
    ids: Sequence[int] = ranking.ids[: min(most, ranking.head)].tolist()
    found = verify(features.queries[row], [features.database[number] for number in ids])
    evidence: dict[int, Evidence] = {
        number: agreement.evidence() for number, agreement in zip(ids, found, strict=True)
    }
    return ranking.reordered(order([agreement.inliers for agreement in found]), evidence)
