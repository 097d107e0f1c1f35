"""Local features of a photo as one value: VLAD, Fisher vectors, and the selective match kernel.

A vocabulary is learned from photos' features. By VLAD and Fisher vectors a photo becomes one
descriptor, which goes wherever a network's does; by ASMK* it becomes a set of binary words, which
an inverted file compares.
"""

from solar.aggregation.asmk import InvertedFile
from solar.aggregation.extractor import AggregatedExtractor, open_aggregated
from solar.aggregation.learn import learn_vocabulary
from solar.aggregation.vocabulary import KINDS, Vocabulary, is_words

__all__ = [
    "KINDS",
    "AggregatedExtractor",
    "InvertedFile",
    "Vocabulary",
    "is_words",
    "learn_vocabulary",
    "open_aggregated",
]
