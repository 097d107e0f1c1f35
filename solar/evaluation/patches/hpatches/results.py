"""What the HPatches tasks give, how it is averaged, and its tables."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from solar.datasets.patches.hpatches import NOISES
from solar.evaluation.patches.published import figures
from solar.evaluation.report import Table, figure, percent


@dataclass(frozen=True)
class VerificationResult:
    """Verification of one descriptor.

    Attributes:
        auc: balanced ROC AUC, 0 to 1, by noise and by "intra" or "inter" negatives.
        ap: imbalanced average precision, likewise.
        pairs: of each list.
    """

    auc: dict[str, dict[str, float]]
    ap: dict[str, dict[str, float]]
    pairs: int

    @property
    def mean_auc(self) -> float:
        """Mean over noises and kinds of negatives."""
        return fmean(value for kinds in self.auc.values() for value in kinds.values())

    @property
    def mean_ap(self) -> float:
        """Mean over noises and kinds of negatives: the published "verification" figure."""
        return fmean(value for kinds in self.ap.values() for value in kinds.values())


@dataclass(frozen=True)
class MatchingResult:
    """Matching of one descriptor.

    Attributes:
        ap: average precision, 0 to 1, by sequence and noise, of images 1 to 5.
    """

    ap: dict[str, dict[str, list[float]]]

    def map_of(self, noise: str, change: str | None = None) -> float:
        """Mean AP of a noise over the sequences of a change.

        Args:
            noise: "easy", "hard" or "tough".
            change: "i" for illumination, "v" for viewpoint; None for the mean of those present,
                each counted once however many sequences it has, as the benchmark does.
        """
        if change is None:
            return fmean(self.map_of(noise, present) for present in self.changes)
        return fmean(fmean(noises[noise]) for name, noises in self.ap.items() if name[0] == change)

    @property
    def changes(self) -> list[str]:
        """First letters of the sequences' names, in alphabetical order."""
        return sorted({name[0] for name in self.ap})

    @property
    def mean_ap(self) -> float:
        """Mean over noises and changes: the published "matching" figure."""
        return fmean(self.map_of(noise) for noise in NOISES)


@dataclass(frozen=True)
class RetrievalResult:
    """Retrieval of one descriptor.

    Attributes:
        map: mAP, 0 to 1, by noise and pool size.
        queries: how many were asked.
        distractors: how many there were.
    """

    map: dict[str, dict[int, float]]
    queries: int
    distractors: int

    def map_of(self, noise: str) -> float:
        """Mean over the pool sizes."""
        return fmean(self.map[noise].values())

    @property
    def mean_ap(self) -> float:
        """Mean over noises and pool sizes: the published "retrieval" figure."""
        return fmean(self.map_of(noise) for noise in self.map)


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
        report: dict[str, object] = {"split": self.split, "sequences": self.sequences}
        if self.verification:
            report["verification"] = {
                "mean_ap": self.verification.mean_ap,
                "mean_auc": self.verification.mean_auc,
                "pairs": self.verification.pairs,
                "imbalanced_ap": self.verification.ap,
                "balanced_auc": self.verification.auc,
            }
        if self.matching:
            report["matching"] = {
                "mean_ap": self.matching.mean_ap,
                "map": {noise: self.matching.map_of(noise) for noise in NOISES},
                "ap": self.matching.ap,
            }
        if self.retrieval:
            report["retrieval"] = {
                "mean_ap": self.retrieval.mean_ap,
                "queries": self.retrieval.queries,
                "distractors": self.retrieval.distractors,
                "map": {
                    noise: {str(size): value for size, value in sizes.items()}
                    for noise, sizes in self.retrieval.map.items()
                },
            }
        return report


def table(name: str, result: HPatchesResult) -> Table:
    """Means of one result and of published ones on the full split; verification is imbalanced."""
    tasks = (result.verification, result.matching, result.retrieval)
    rows = [[name, *(percent(task.mean_ap if task else None) for task in tasks)]]
    for published, entry in figures("hpatches"):
        cells = (entry["verification"], entry["matching"], None)
        rows.append([published, *map(figure, cells)])
    return Table(["HPatches, %", "verification", "matching", "retrieval"], rows)


def table_by_noise(result: HPatchesResult) -> Table:
    """One result: a line a figure, a column a noise."""
    rows: dict[str, list[float]] = {}
    if task := result.verification:
        for kind in ("intra", "inter"):
            rows[f"verification AP, {kind}"] = [task.ap[noise][kind] for noise in NOISES]
            rows[f"verification AUC, {kind}"] = [task.auc[noise][kind] for noise in NOISES]
    if matched := result.matching:
        for change in matched.changes:
            title = {"i": "illumination", "v": "viewpoint"}.get(change, change)
            rows[f"matching mAP, {title}"] = [matched.map_of(noise, change) for noise in NOISES]
    if found := result.retrieval:
        for size in next(iter(found.map.values())):
            rows[f"retrieval mAP, pool {size}"] = [found.map[noise][size] for noise in NOISES]
    cells = [[title, *map(percent, values)] for title, values in rows.items()]
    return Table([f"split {result.split}, %", *NOISES], cells)
