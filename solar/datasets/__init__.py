"""Data sets: readers of published ones, which check what they read, and photos made anew."""

from solar.datasets.folder import open_folder, open_labelled
from solar.datasets.ground_truth import Figures, GroundTruth, Query
from solar.datasets.photos import LabelledSet, open_dataset

__all__ = [
    "Figures",
    "GroundTruth",
    "LabelledSet",
    "Query",
    "open_dataset",
    "open_folder",
    "open_labelled",
]
