"""HPatches from patches to figures: describe every strip once, then score the tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from solar.datasets.patches.hpatches import KINDS, HPatchesSequence
from solar.errors import SolarError, UsageError
from solar.evaluation.patches.folder import PatchFolder
from solar.evaluation.patches.hpatches.lists import (
    PUBLISHED_SIZES,
    ListSizes,
    draw_retrieval,
    draw_verification,
)
from solar.evaluation.patches.hpatches.results import HPatchesResult
from solar.evaluation.patches.hpatches.tasks import matching, retrieval, verification
from solar.features.keypoints import FloatArray
from solar.features.patch_descriptor import PatchDescriptor

TASKS = ("verification", "matching", "retrieval")
_FLAT = 10.0  # grey levels; the benchmark draws no patch of a smaller standard deviation


def describe_sequence(sequence: HPatchesSequence, descriptor: PatchDescriptor) -> FloatArray:
    """Descriptors of a sequence's 16 strips, in the order of `KINDS`: (16, N, D) float32."""
    return np.stack([descriptor.of_patches(sequence.patches(kind)) for kind in KINDS])


def textured(sequence: HPatchesSequence) -> npt.NDArray[np.bool_]:
    """(N,) which reference patches may be drawn for retrieval: standard deviation above 10."""
    return np.asarray(sequence.patches("ref").std(axis=(1, 2)) > _FLAT)


def evaluate_hpatches(
    sequences: Sequence[HPatchesSequence],
    descriptor: PatchDescriptor,
    folder: PatchFolder,
    *,
    split: str,
    tasks: Collection[str] = TASKS,
    sizes: ListSizes = PUBLISHED_SIZES,
) -> HPatchesResult:
    """Describe what the folder lacks, then run the tasks on it.

    Args:
        sequences: the test sequences of the split, in its order.
        descriptor: of patches.
        folder: where descriptors are kept; its settings must identify `descriptor`.
        split: name of the split.
        tasks: some of `TASKS`.
        sizes: of the task lists; only the published ones give comparable figures.

    Raises:
        SolarError: a strip or a file of descriptors is damaged.
        UsageError: a task that does not exist.
    """
    if unknown := set(tasks) - set(TASKS):
        raise UsageError(f"no HPatches task {min(unknown)!r}; there are {', '.join(TASKS)}")

    def described(sequence: HPatchesSequence) -> FloatArray:
        strips = folder.load_or_make(sequence.name, lambda: describe_sequence(sequence, descriptor))
        if strips.ndim != 3 or strips.shape[:2] != (len(KINDS), sequence.length):
            raise SolarError(
                f"{folder.folder}: descriptors of {sequence.name} are {strips.shape}, but it has "
                f"{len(KINDS)} strips of {sequence.length} patches; choose another folder"
            )
        return strips

    descriptors = [described(sequence) for sequence in sequences]
    names = [sequence.name for sequence in sequences]
    lengths = [sequence.length for sequence in sequences]
    result = HPatchesResult(split=split, sequences=len(sequences))
    if "verification" in tasks:
        pairs = draw_verification(lengths, sizes.pairs)
        result = replace(result, verification=verification(descriptors, pairs))
    if "matching" in tasks:
        result = replace(result, matching=matching(names, descriptors))
    if "retrieval" in tasks:
        masks = [textured(sequence) for sequence in sequences]
        lists = draw_retrieval(masks, sizes.queries, sizes.distractors)
        result = replace(result, retrieval=retrieval(descriptors, lists))
    return result
