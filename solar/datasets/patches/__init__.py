"""Patches with labels: which point each shows."""

from solar.datasets.patches.hpatches import HPatchesSequence, open_test_sequences, read_splits
from solar.datasets.patches.phototour import PhotoTour
from solar.datasets.patches.store import PatchStore

__all__ = ["HPatchesSequence", "PatchStore", "PhotoTour", "open_test_sequences", "read_splits"]
