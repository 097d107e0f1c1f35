"""Photos ranked by the words of their local features, and verified: ASMK* measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from solar.aggregation import InvertedFile, Vocabulary
from solar.aggregation.extractor import maker_of
from solar.datasets.photos import LabelledSet
from solar.errors import UsageError
from solar.evaluation.report.pages import write_page
from solar.evaluation.report.report import Report
from solar.evaluation.retrieval._features import features_of_set
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.evaluation.retrieval.run import Searched, default_folder, score
from solar.extraction import Extraction
from solar.files import claim_folder
from solar.ranking import Evidence, Ranking
from solar.rerank.geometric import order, verify
from solar.typing import AnyPath, Progress

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


def evaluate_words(
    photos: LabelledSet,
    vocabulary: AnyPath,
    to: AnyPath | None = None,
    *,
    crop: bool = True,
    rerank: str = "none",
    device: str = "auto",
    page: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[Report, Path]:
    """Measure ASMK* on a data set, and write the report into a folder; see `evaluate`.

    Args:
        photos: the data set.
        vocabulary: a file of the kind "asmk".
        to: the folder; None for one in `runs/eval` that no other settings share.
        crop: only keypoints inside the boxes of queries.
        rerank: "none", or "geometric" to verify the first hits.
        device: where a network that describes keypoints runs.
        page: write `report.html` too.
        overwrite: replace a report that was made with other settings.
        progress: called with photos done and in all.

    Returns:
        The report, and its folder.

    Raises:
        UsageError: another way to re-rank, a vocabulary of another kind, no query has anything to
            find, or every photo is right for every query.
        SolarError: photos cannot be described; names them.
    """
    if rerank not in ("none", "geometric"):
        raise UsageError(f"--rerank {rerank:.60}: words are re-ranked by geometric alone")
    learned, truth = Vocabulary.load(vocabulary), photos.ground_truth
    truth.require_positives()
    truth.require_wrong_hits()
    maker = maker_of(learned, device)
    decoding = "stored" if photos.stored else "upright"
    made = Extraction(
        os.fspath(vocabulary),
        learned.fingerprint,
        learned.features.dimensions,
        learned.features.image_size,
        (1.0,),
        decoding=decoding,
    )
    folder = Path(to or default_folder(photos, made, crop))
    about = {"crop": crop, "dataset": truth.dataset, "ground_truth": truth.sha256}
    claim_folder(
        folder,
        {**made.to_json(), **about},
        ["report.*"],
        overwrite=overwrite,
        uncompared=("model",),
    )
    turned = decoding != "stored"
    features = features_of_set(maker, photos, crop=crop, turned=turned, progress=progress)
    rankings = rank_by_words(features, learned, VERIFIED if rerank == "geometric" else 0)
    protocol = {
        **made.to_json(),
        "crop": crop,
        "rerank": f"geometric: the first {VERIFIED}" if rerank == "geometric" else None,
        "features": features.description,
        "words": learned.words,
        "queries": len(truth.queries),
        "database": len(truth.database),
    }
    report = score(Searched(truth, rankings, protocol))
    report.write(folder)
    if page:
        write_page(report, folder, photos, crop=crop)
    return report, folder
