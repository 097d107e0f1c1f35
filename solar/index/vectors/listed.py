"""Kinds `rabitq`, `ivf-rabitq` and `ivf-pq`: few candidates by codes in lists, ranked by the rows.

Rows are those of another kind, which also says what is read and what scores are. What is found is
in the order of that kind; some that it would find may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solar.files.threads import cores
from solar.index.vectors._coders import Trained, alone, middles_of, train
from solar.index.vectors._embedded import Embedded
from solar.index.vectors._lists import (
    Part,
    open_parts,
    open_trained,
    part_file,
    save_part,
    save_trained,
    trained_file,
)
from solar.index.vectors._ranking import scores_of

if TYPE_CHECKING:
    from solar.index.vectors.protocol import Kind, Vectors, VectorsWriter
    from solar.typing import Progress

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

ENOUGH = 4096
"""Rows that no list holds, before another part is made of them."""

FEW = 8
"""Where fewer than one row of so many counts, those are compared one by one."""

_SAMPLE = 48  # Rows for each list, to learn from.
_LEAST_SAMPLE = 20_000
_LEAST_GOOD = 64
_FLAT = 64  # Lists that are all looked at.
_SPLIT = 1 << 17  # Rows that one query scans before several threads share them.


class Effort(NamedTuple):
    """How much a search looks at; more finds more, and takes longer.

    Attributes:
        probes: lists that are looked at, those with the nearest middles.
        candidates: rows that are ranked, at least; four times as many as are asked for if that is
            more.
    """

    probes: int
    candidates: int


@dataclass(frozen=True)
class Listed(Embedded):
    """Rows of another kind, and lists beside them; see `Kind`.

    Attributes:
        rows: the other kind.
        coder: see `Trained`.
        flat: whether all lists are looked at.
        recall: see `Kind`.
        says: see `Kind`.
    """

    rows: Kind
    coder: str
    flat: bool
    recall: Mapping[int, float]
    says: str

    def open(self, folder: Path, number: int, dimensions: int, rows: int) -> ListedVectors:
        """See `Kind.open`."""
        held = self.rows.open(folder, number, dimensions, rows)
        file = trained_file(folder, number)
        if not file.exists():
            return ListedVectors(held, None, [], flat=self.flat)
        trained = open_trained(file, self.coder, dimensions)
        parts = list(open_parts(folder, number, trained, rows))
        return ListedVectors(held, trained, parts, flat=self.flat)

    def write(self, folder: Path, number: int, dimensions: int) -> VectorsWriter:
        """See `Kind.write`."""
        return self.rows.write(folder, number, dimensions)

    def files(self, folder: Path, number: int) -> list[Path]:
        """See `Kind.files`."""
        trained, parts = trained_file(folder, number), part_file(folder, number, 0).name[:-16]
        lists = sorted(folder.glob(f"{parts}*.bin"))
        return [*self.rows.files(folder, number), *([trained] if trained.exists() else []), *lists]

    def row_bytes(self, dimensions: int) -> int:
        """See `Kind.row_bytes`."""
        codes = -(-dimensions // 8) + (8 if self.coder == "rabitq" else 0)
        return self.rows.row_bytes(dimensions) + codes + 4

    def kept(self, descriptors: Floats) -> Floats:
        """See `Kind.kept`."""
        return self.rows.kept(descriptors)

    def lists_for(self, rows: int) -> int:
        """How many lists so many rows should be in."""
        if self.flat:
            return max(1, min(_FLAT, rows // 256))
        return min(int(2 ** round(np.log2(max(2 * rows**0.5, 1)))), max(1, rows // 16))

    def arrange(
        self,
        folder: Path,
        number: int,
        dimensions: int,
        rows: int,
        progress: Progress | None = None,
        *,
        unseen: bool = False,
    ) -> None:
        """Put rows into lists that none holds, if there are enough of them; see `Kind.arrange`."""
        vectors = self.open(folder, number, dimensions, rows)
        first = vectors.listed
        if rows - first < ENOUGH:
            return

        def told(start: float, end: float) -> Callable[[float], None]:
            def tell(part: float) -> None:
                if progress is not None:
                    progress(int((start + (end - start) * part) * (rows - first)), rows - first)

            return tell

        trained, began = vectors.trained, 0.0
        if trained is None:
            began = 0.4
            trained = self.learn(folder, number, dimensions, rows, told(0, began))
        if trained is None:
            return
        save_part(folder, number, trained, first, rows, vectors.read, told(began, 1))

    def learn(
        self,
        folder: Path,
        number: int,
        dimensions: int,
        rows: int,
        told: Callable[[float], None] = lambda _: None,
    ) -> Trained | None:
        """Learn from a sample of the rows, and keep that; None if too few are descriptors."""
        vectors, lists = self.rows.open(folder, number, dimensions, rows), self.lists_for(rows)
        size = min(rows, max(_LEAST_SAMPLE, _SAMPLE * lists))
        chosen = np.random.default_rng(0).choice(rows, size, replace=False)
        sample = vectors.read(np.sort(chosen))
        good = np.abs(np.linalg.norm(sample, axis=1) - 1) < 0.1
        if np.count_nonzero(good) < max(lists, _LEAST_GOOD):
            return None
        trained = train(self.coder, sample[good], lists, told)
        save_trained(trained_file(folder, number), trained)
        return trained

    def scattered(self, folder: Path, number: int, dimensions: int, rows: int) -> bool:
        """See `Kind.scattered`: whether writing the index anew would make its lists better."""
        vectors = self.open(folder, number, dimensions, rows)
        if vectors.trained is None:
            return rows >= ENOUGH
        few = 2 * len(vectors.trained.middles) < self.lists_for(rows)
        return few or len(vectors.parts) > 1


class ListedVectors:
    """The rows of a commit; see `Vectors`.

    Attributes:
        trained: what lists were made with; None if there are none.
        parts: with the lists.
        listed: how many rows the lists hold; the first ones.
        effort: of every search.
        flat: whether all lists are looked at.
    """

    def __init__(
        self, rows: Vectors, trained: Trained | None, parts: list[Part], *, flat: bool
    ) -> None:
        """Search rows by lists."""
        self._rows, self.trained, self.parts, self.flat = rows, trained, parts, flat
        self.listed = parts[-1].end if parts else 0
        lists = 0 if trained is None else len(trained.middles)
        self.effort = Effort(lists, 1000) if flat else Effort(max(8, lists // 8), 200)

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, rows: Ids) -> Floats:
        """See `Vectors.read`."""
        return self._rows.read(rows)

    def damaged(self, rows: Ids) -> NDArray[np.bool_]:
        """See `Vectors.damaged`."""
        found = self._rows.damaged(rows)
        if self.parts and len(rows):
            if self._unsound is None:
                self._unsound = np.concatenate([part.unsound() for part in self.parts])
            found |= np.isin(rows, self._unsound)
        return found

    _unsound: Ids | None = None

    def lengths(self, start: int) -> Floats:
        """See `Vectors.lengths`; of rows in lists, which were looked at, 1."""
        seen = np.ones(max(self.listed - start, 0), np.float32)
        return np.concatenate([seen, self._rows.lengths(max(start, self.listed))])

    def exact(self, queries: Floats, owners: Ids, top: int) -> tuple[Floats, Ids]:
        """What `search` finds if it compares all."""
        return self._rows.search(queries, owners, top)

    def search(self, queries: Floats, owners: Ids, top: int) -> tuple[Floats, Ids]:
        """See `Vectors.search`."""
        alive = owners >= 0
        count = int(np.count_nonzero(alive))
        top = min(top, count)
        if self.trained is None or not self.parts or FEW * count < len(owners) or not top:
            return self.exact(queries, owners, top or 1)
        scores, ids = self._unlisted(queries, owners, top)
        found_scores = np.empty((len(queries), top), np.float32)
        found_ids = np.empty((len(queries), top), np.int64)
        missing = []
        for position, rows in enumerate(self._candidates(queries, alive, top)):
            near = scores_of(queries[position], rows, self.read)
            near = np.concatenate([near, scores[position]])
            named = np.concatenate([owners[rows], ids[position]])
            order = np.lexsort((named, -near))[:top]
            if len(order) < top:
                missing.append(position)
                continue
            found_scores[position], found_ids[position] = near[order], named[order]
        if missing:
            found_scores[missing], found_ids[missing] = self.exact(queries[missing], owners, top)
        return found_scores, found_ids

    def _unlisted(self, queries: Floats, owners: Ids, top: int) -> tuple[Floats, Ids]:
        """The best of the rows that no list holds."""
        if self.listed == len(owners):
            nothing = np.zeros((len(queries), 0))
            return nothing.astype(np.float32), nothing.astype(np.int64)
        rest = owners.copy()
        rest[: self.listed] = -1
        return self.exact(queries, rest, top)

    def _candidates(self, queries: Floats, alive: NDArray[np.bool_], top: int) -> list[Ids]:
        """For each query the rows that codes put first."""
        trained = self.trained
        assert trained is not None  # noqa: S101
        turned, count = trained.turned(queries), len(trained.middles)
        probes = min(self.effort.probes, count)
        bits = None if alive.all() else np.packbits(alive, bitorder="little")
        most = min(max(self.effort.candidates, 4 * top), self.listed)
        large = self.listed * probes // count > _SPLIT
        shares = cores() if len(queries) < cores() and large else 1

        def scan(task: tuple[int, int]) -> tuple[Ids, Floats]:
            query = turned[task[0]]
            products = middles_of(query, trained)
            nearest = np.arange(count)
            if probes < count:
                nearest = np.argpartition(-products, probes - 1)[:probes]
            lists = np.ascontiguousarray(np.array_split(nearest, shares)[task[1]], np.int64)
            near = products[lists]
            found = [part.coded(lists).scan(query, lists, near, most, bits) for part in self.parts]
            rows, estimates = (np.concatenate(each) for each in zip(*found, strict=True))
            return rows, estimates

        tasks = [(position, share) for position in range(len(queries)) for share in range(shares)]
        found = alone(scan, tasks)
        candidates = []
        for start in range(0, len(tasks), shares):
            together = zip(*found[start : start + shares], strict=True)
            rows, estimates = (np.concatenate(each) for each in together)
            if len(rows) > most:
                rows = rows[np.argpartition(-estimates, most - 1)[:most]]
            candidates.append(np.unique(rows))
        return candidates
