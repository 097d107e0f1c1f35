"""Retrieval measured: photos described, ranked, re-ranked, scored."""

from solar.evaluation.retrieval.described import DescribedSet
from solar.evaluation.retrieval.distractors import extract_distractors
from solar.evaluation.retrieval.exact import rank
from solar.evaluation.retrieval.metrics import Score, score_rankings, score_ranks
from solar.evaluation.retrieval.run import Searched, default_folder, evaluate, score, search

__all__ = [
    "DescribedSet",
    "Score",
    "Searched",
    "default_folder",
    "evaluate",
    "extract_distractors",
    "rank",
    "score",
    "score_rankings",
    "score_ranks",
    "search",
]
