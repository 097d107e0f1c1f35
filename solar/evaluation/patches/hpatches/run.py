"""HPatches from patches to figures: describe every strip once, then score the tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from solar.datasets.patches.hpatches import (
    KINDS,
    NOISES,
    HPatchesSequence,
    open_test_sequences,
    read_splits,
)
from solar.errors import UsageError
from solar.evaluation.kept import kept_at, load_or_make, open_in_precision, state_of
from solar.evaluation.patches.hpatches.lists import (
    PUBLISHED_SIZES,
    ListSizes,
    retrieval_lists,
    verification_lists,
)
from solar.evaluation.patches.hpatches.tasks import (
    MatchingResult,
    RetrievalResult,
    VerificationResult,
    matching,
    retrieval,
    verification,
)
from solar.evaluation.report import PatchReport, Table, figure, percent, published_patches
from solar.features.patch_descriptor import PatchDescriptor
from solar.files import claim_folder
from solar.typing import AnyPath, Descriptors, Progress

TASKS = ("verification", "matching", "retrieval")
_FLAT = 10.0  # grey levels; the benchmark takes no patch of a smaller standard deviation
_CHANGES = {"i": "illumination", "v": "viewpoint"}
_WORDS = {
    "verification": "mean imbalanced AP over noises and kinds of negatives",
    "matching": "mean of the mAP under illumination and under viewpoint changes, each counted once "
    "however many sequences it has, as the benchmark's code does",
    "of sequences": "matching, mean over all sequences alike",
    "retrieval": "mAP, mean over noises and pool sizes",
}


def hpatches(
    root: AnyPath,
    splits: AnyPath,
    descriptor: str | PatchDescriptor,
    to: AnyPath,
    *,
    split: str = "full",
    overwrite: bool = False,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "float32",
    progress: Progress | None = None,
) -> PatchReport:
    """The benchmark: describe the patches of a split, and run its three tasks.

    Descriptors are kept in the user's cache, so that an interrupted run goes on.

    Args:
        root: folder of the 116 sequences.
        splits: the benchmark's `splits.json`.
        descriptor: a patch descriptor, or what `open_patch_descriptor` takes.
        to: folder of the report.
        split: its name in `splits`.
        overwrite: replace a report of another descriptor or split.
        engine: that runs a named descriptor; see `solar.open_extractor`.
        device: where it runs.
        precision: that it computes in: float32, bfloat16, float16 or auto.
        progress: told sequences described and in all.

    Raises:
        UsageError: no such split, descriptor or device, or the folder holds another report.
        SolarError: a file is missing or damaged.
    """
    known = read_splits(splits)
    if split not in known:
        raise UsageError(f"--split {split}: {splits} has {', '.join(known)}")
    found = open_in_precision(descriptor, device, precision, engine)
    settings = {"benchmark": "hpatches", "split": split, "descriptor": found.fingerprint}
    claim_folder(to, settings, ["report.*"], overwrite=overwrite)
    sequences = open_test_sequences(root, known[split])
    result = score_sequences(sequences, found, split=split, progress=progress)
    report = PatchReport(
        f"HPatches, split {split}: {found.name}",
        {
            "benchmark": "hpatches",
            "data": split,
            "protocol": {"descriptor": found.name, "fingerprint": found.fingerprint},
            "engine": found.engine,
            "descriptor": found.name,
            **result.to_json(),
            "figures": result.figures(),
        },
        [table(found.name, result), table_by_noise(result)],
    )
    report.write(to)
    return report


@dataclass(frozen=True)
class HPatchesResult:
    """The tasks that were run on one split; None for the others."""

    split: str
    sequences: int
    verification: VerificationResult | None = None
    matching: MatchingResult | None = None
    retrieval: RetrievalResult | None = None

    def to_json(self) -> dict[str, object]:
        """Plain values for a report, with the means."""
        tasks = {name: task.to_json() for name in TASKS if (task := getattr(self, name))}
        return {"split": self.split, "sequences": self.sequences, **tasks}

    def figures(self) -> dict[str, Any]:
        """What `solar eval compare` compares; see `PatchReport`."""
        found: dict[str, Any] = {
            f"{name} mAP": {"value": task.mean_ap}
            for name in TASKS
            if (task := getattr(self, name))
        }
        matched = self.matching.ap if self.matching else {}
        for change in sorted({name[0] for name in matched}):
            of = {name: noises for name, noises in matched.items() if name[0] == change}
            for noise in NOISES:
                parts = [ap for noises in of.values() for ap in noises[noise]]
                units = [name for name, noises in of.items() for _ in noises[noise]]
                name = f"matching, {_CHANGES.get(change, change)}, {noise}"
                value = sum(parts) / len(parts)
                found[name] = {"value": value, "parts": parts, "units": units}
        return found


def describe_sequence(sequence: HPatchesSequence, descriptor: PatchDescriptor) -> Descriptors:
    """Descriptors of a sequence's 16 strips, in the order of `KINDS`: (16, N, D) float32."""
    return np.stack([descriptor.of_patches(sequence.patches(kind)) for kind in KINDS])


def textured(sequence: HPatchesSequence) -> npt.NDArray[np.bool_]:
    """(N,) which reference patches may be taken for retrieval: standard deviation above 10."""
    return np.asarray(sequence.patches("ref").std(axis=(1, 2)) > _FLAT)


def score_sequences(
    sequences: Sequence[HPatchesSequence],
    descriptor: PatchDescriptor,
    *,
    split: str,
    tasks: Collection[str] = TASKS,
    sizes: ListSizes = PUBLISHED_SIZES,
    progress: Progress | None = None,
) -> HPatchesResult:
    """Describe what the cache lacks, then run the tasks on it.

    Args:
        sequences: the test sequences of the split, in its order.
        descriptor: of patches.
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
        descriptors.append(_described(sequence, descriptor))
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


def _described(sequence: HPatchesSequence, descriptor: PatchDescriptor) -> Descriptors:
    """(16, N, D), from the cache or new."""
    states = [state_of(sequence.folder / f"{kind}.png") for kind in KINDS]
    path = kept_at("patches", descriptor.fingerprint, sequence.name, states)
    return load_or_make(path, lambda: describe_sequence(sequence, descriptor))


def table(name: str, result: HPatchesResult) -> Table:
    """Means of one result and of published ones on the full split; verification is imbalanced."""
    matched = result.matching
    tasks = (result.verification, matched, result.retrieval)
    figures = [None if task is None else task.mean_ap for task in tasks]
    figures.insert(2, matched.mean_ap_of_sequences if matched else None)
    rows = [[name, *map(percent, figures)]]
    for published, entry in published_patches("hpatches"):
        rows.append(
            [published, *map(figure, (entry["verification"], entry["matching"], None, None))]
        )
    return Table(
        ["HPatches, %", "verification", "matching", "of sequences", "retrieval"], rows, _WORDS
    )


def table_by_noise(result: HPatchesResult) -> Table:
    """One result: a line a figure, a column a noise."""
    rows: dict[str, list[float]] = {}
    if task := result.verification:
        for kind in ("intra", "inter"):
            rows[f"verification AP, {kind}"] = [task.ap[noise][kind] for noise in NOISES]
            rows[f"verification AUC, {kind}"] = [task.auc[noise][kind] for noise in NOISES]
    if matched := result.matching:
        for change in matched.changes:
            title = _CHANGES.get(change, change)
            rows[f"matching mAP, {title}"] = [matched.map_of(noise, change) for noise in NOISES]
    if found := result.retrieval:
        for size in next(iter(found.map.values())):
            rows[f"retrieval mAP, pool {size}"] = [found.map[noise][size] for noise in NOISES]
    cells = [[title, *map(percent, values)] for title, values in rows.items()]
    words = {
        "intra, inter": "negatives from the same sequence, or from any",
        "AP, AUC": "of a fifth of the positives among all negatives; of as many as there are",
        "pool": "of the five views of a query and so many distractors",
    }
    return Table([f"split {result.split}, %", *NOISES], cells, words)
