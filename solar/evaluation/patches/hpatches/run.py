"""HPatches from patches to figures: describe every strip once, then score the tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from solar.datasets.patches.hpatches import (
    KINDS,
    HPatchesSequence,
    open_test_sequences,
    read_splits,
)
from solar.errors import SolarError, UsageError
from solar.evaluation.patches.folder import PatchFolder
from solar.evaluation.patches.hpatches.lists import (
    PUBLISHED_SIZES,
    ListSizes,
    retrieval_lists,
    verification_lists,
)
from solar.evaluation.patches.hpatches.results import (
    HPatchesResult,
    table,
    table_by_noise,
)
from solar.evaluation.patches.hpatches.tasks import matching, retrieval, verification
from solar.evaluation.patches.report import PatchReport
from solar.features.patch_descriptor import PatchDescriptor, open_patch_descriptor
from solar.typing import AnyPath, Descriptors, Progress

TASKS = ("verification", "matching", "retrieval")
_FLAT = 10.0  # grey levels; the benchmark takes no patch of a smaller standard deviation


def hpatches(
    root: AnyPath,
    splits: AnyPath,
    descriptor: str | PatchDescriptor,
    to: AnyPath,
    *,
    split: str = "full",
    overwrite: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
) -> PatchReport:
    """The benchmark: describe the patches of a split, and run its three tasks.

    Args:
        root: folder of the 116 sequences.
        splits: the benchmark's `splits.json`.
        descriptor: a patch descriptor, or what `open_patch_descriptor` takes.
        to: folder of descriptors and of the report; what it has is kept, so that it resumes.
        split: its name in `splits`.
        overwrite: replace what was described otherwise.
        device: where a named descriptor runs.
        progress: told sequences described and in all.

    Raises:
        UsageError: no such split, descriptor or device, or the folder holds other descriptors.
        SolarError: a file is missing or damaged.
    """
    known = read_splits(splits)
    if split not in known:
        raise UsageError(f"--split {split}: {splits} has {', '.join(known)}")
    found = open_patch_descriptor(descriptor, device) if isinstance(descriptor, str) else descriptor
    folder = PatchFolder(
        to, {"data": "HPatches", "descriptor": found.fingerprint}, overwrite=overwrite
    )
    sequences = open_test_sequences(root, known[split])
    result = score_sequences(sequences, found, folder, split=split, progress=progress)
    report = PatchReport(
        f"HPatches, split {split}: {found.name}",
        {"descriptor": found.name, **result.to_json()},
        [table(found.name, result), table_by_noise(result)],
    )
    report.write(to)
    return report


def describe_sequence(sequence: HPatchesSequence, descriptor: PatchDescriptor) -> Descriptors:
    """Descriptors of a sequence's 16 strips, in the order of `KINDS`: (16, N, D) float32."""
    return np.stack([descriptor.of_patches(sequence.patches(kind)) for kind in KINDS])


def textured(sequence: HPatchesSequence) -> npt.NDArray[np.bool_]:
    """(N,) which reference patches may be taken for retrieval: standard deviation above 10."""
    return np.asarray(sequence.patches("ref").std(axis=(1, 2)) > _FLAT)


def score_sequences(
    sequences: Sequence[HPatchesSequence],
    descriptor: PatchDescriptor,
    folder: PatchFolder,
    *,
    split: str,
    tasks: Collection[str] = TASKS,
    sizes: ListSizes = PUBLISHED_SIZES,
    progress: Progress | None = None,
) -> HPatchesResult:
    """Describe what the folder lacks, then run the tasks on it.

    Args:
        sequences: the test sequences of the split, in its order.
        descriptor: of patches.
        folder: where descriptors are kept; its settings must identify `descriptor`.
        split: name of the split.
        tasks: some of `TASKS`.
        sizes: of the task lists; only the published ones give comparable figures.
        progress: told sequences described and in all.

    Raises:
        SolarError: a strip or a file of descriptors is damaged.
        UsageError: a task that does not exist.
    """
    if unknown := set(tasks) - set(TASKS):
        raise UsageError(f"no HPatches task {min(unknown)!r}; there are {', '.join(TASKS)}")

    descriptors = []
    for done, sequence in enumerate(sequences, 1):
        descriptors.append(_described(sequence, descriptor, folder))
        if progress:
            progress(done, len(sequences))
    names = [sequence.name for sequence in sequences]
    lengths = [sequence.length for sequence in sequences]
    result = HPatchesResult(split=split, sequences=len(sequences))
    if "verification" in tasks:
        pairs = verification_lists(lengths, sizes.pairs)
        result = replace(result, verification=verification(descriptors, pairs))
    if "matching" in tasks:
        result = replace(result, matching=matching(names, descriptors))
    if "retrieval" in tasks:
        masks = [textured(sequence) for sequence in sequences]
        lists = retrieval_lists(masks, sizes.queries, sizes.distractors)
        result = replace(result, retrieval=retrieval(descriptors, lists))
    return result


def _described(
    sequence: HPatchesSequence, descriptor: PatchDescriptor, folder: PatchFolder
) -> Descriptors:
    """(16, N, D), from the folder or new."""
    strips = folder.load_or_make(sequence.name, lambda: describe_sequence(sequence, descriptor))
    if strips.ndim != 3 or strips.shape[:2] != (len(KINDS), sequence.length):
        raise SolarError(
            f"{folder.folder}: descriptors of {sequence.name} are {strips.shape}, but it has "
            f"{len(KINDS)} strips of {sequence.length} patches; choose another folder"
        )
    return strips
