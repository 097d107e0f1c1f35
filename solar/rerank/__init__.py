"""Better orders for what a search found: the protocol, and one file per way."""

from solar.rerank.augmentation import augmented
from solar.rerank.chain import WAYS, parse_rerank, reach, rerank
from solar.rerank.geometric import CHANCE
from solar.rerank.probability import judged
from solar.rerank.protocol import Reranker, View

__all__ = [
    "CHANCE",
    "WAYS",
    "Reranker",
    "View",
    "augmented",
    "judged",
    "parse_rerank",
    "reach",
    "rerank",
]
