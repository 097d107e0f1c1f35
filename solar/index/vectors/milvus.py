"""Kind `milvus`: rows in a collection of a Milvus server, alone or a cluster.

The catalogue stays in the index folder and decides what exists. Its row numbers are the primary
keys, so that writing a row again replaces it; every question is bounded by the rows of the commit,
so that what a killed writer left behind is not seen, and the next writer writes over it.

Candidates are what the server finds by inner products in single precision. As for other kinds they
are read and ranked in double precision, so that scores are cosines of the rows as they are kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, SolarError
from solar.index._datafile import prove_same
from solar.index.vectors._ranking import least_of, margin, scores_of
from solar.index.vectors._server import CALL, PATIENCE, Address, Collection, Server

if TYPE_CHECKING:
    from solar.typing import Progress

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

LARGE = 200_000
"""Rows from which on comparing all of them takes the server long."""

MOST = 16_384
"""Of answers to a query, and of rows that a filter names; more than that no server gives."""

SETTLED = 10.0
"""Seconds after which all servers have what was there before.

Milvus promises that to every search that does not ask for more (`common.gracefulTime`, 5 s).
"""

_QUERIES, _ANSWERS = 1000, 1 << 18  # At once.
_LEAST_EFFORT, _PROBES = 128, 64  # Of HNSW, and of IVF.
_BATCH_BYTES = 8 << 20  # Of one message; a server takes 64 MB.
_ROW, _DESCRIPTOR = "row", "descriptor"
_PARAMETERS: dict[str, dict[str, int]] = {
    "FLAT": {},
    "HNSW": {"M": 24, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 2048},
}
_INDEXING = 6 * 3600.0  # Seconds, for many million rows.


class Milvus:
    """Rows on a server, and a file that says on which; see `Kind`."""

    says = "float32 rows on a Milvus server, that finds candidates; scores are those of the rows"
    recall = 0.99

    def open(self, folder: Path, number: int, dimensions: int, rows: int) -> MilvusVectors:
        """See `Kind.open`. No server is asked before the first search."""
        (file,) = self.files(folder, number)
        address = None if rows == 0 and not file.exists() else Address.read(file)
        return MilvusVectors(folder, address, dimensions, rows)

    def write(self, folder: Path, number: int, dimensions: int) -> MilvusWriter:
        """See `Kind.write`."""
        (file,) = self.files(folder, number)
        if not file.exists():
            self.place(folder, number, None)
        return MilvusWriter(file, Address.read(file), dimensions)

    def files(self, folder: Path, number: int) -> list[Path]:
        """See `Kind.files`."""
        return [folder / f"milvus-{number:06d}.json"]

    def row_bytes(self, dimensions: int) -> int:
        """See `Kind.row_bytes`; on the server."""
        return 4 * dimensions

    def kept(self, descriptors: Floats) -> Floats:
        """See `Kind.kept`."""
        return descriptors

    def place(self, folder: Path, number: int, server: Server | None) -> None:
        """Say where the rows of a number shall be.

        Args:
            folder: of the index.
            number: of its files.
            server: None for that of the index's other rows, else what the environment says.

        Raises:
            UsageError: nothing says where a server is.
            SolarError: it cannot be written.
        """
        if server is None:
            known = sorted(folder.glob("milvus-*.json"))
            server = Address.read(known[-1]).server if known else Server.named()
        Address.new(server, folder).write(self.files(folder, number)[0])

    def whereabouts(self, folder: Path, number: int) -> str:
        """Server and collection, in words."""
        (file,) = self.files(folder, number)
        if not file.exists():
            return "nowhere yet"
        address = Address.read(file)
        return f"{address.now.uri}, collection {address.name}"

    def is_at(self, folder: Path, number: int, server: Server) -> bool:
        """Whether a collection is where a server says, and has its name."""
        known = Address.read(self.files(folder, number)[0]).server
        return (known.uri, known.collection) == (server.uri, server.collection)

    def discard(self, file: Path) -> None:
        """Drop the collection that a file names, and the file.

        One that another folder made, of which this is a copy, is left alone. While the server is
        away both stay, for a later writer.
        """
        try:
            address = Address.read(file)
            if address.owned_by(file.parent):
                Collection.at(address, file.parent).ask("drop_collection", 0)
        except IndexDamaged:
            pass
        except SolarError:
            return
        file.unlink()

    def arrange(
        self,
        folder: Path,
        number: int,
        dimensions: int,
        rows: int,
        progress: Progress | None = None,
    ) -> None:
        """Give a collection that nobody searches yet the index for its number of rows."""
        address = Address.read(self.files(folder, number)[0])
        wanted, collection = _index_for(address.server, rows), Collection.at(address, folder)
        if collection.call(lambda client: _index_of(client, address.name)) == wanted:
            return

        def change(client: Any) -> None:
            client.flush(address.name, timeout=_INDEXING)
            client.release_collection(address.name, timeout=CALL)
            if _index_of(client, address.name):
                client.drop_index(address.name, _DESCRIPTOR, timeout=CALL)
            client.create_index(address.name, _index(client, wanted), timeout=_INDEXING)
            while (left := _unindexed(client, address.name)) > 0:
                if progress is not None:
                    progress(max(rows - left, 0), rows)
                time.sleep(1)
            _load(client, address)

        collection.call(change, PATIENCE)

    def scattered(self, folder: Path, number: int, dimensions: int, rows: int) -> bool:
        """Whether writing the rows anew would get them another index, or an owner."""
        address = Address.read(self.files(folder, number)[0])
        if not address.owned_by(folder):
            return True
        found = Collection.at(address, folder).call(lambda client: _index_of(client, address.name))
        return found != _index_for(address.server, rows)


def _index_for(server: Server, rows: int) -> str:
    if server.index != "auto":
        return server.index
    return "FLAT" if rows < LARGE or server.lite else "HNSW"


def _index_of(client: Any, name: str) -> str:
    found = client.describe_index(name, _DESCRIPTOR, timeout=CALL)
    return str(found["index_type"]) if found else ""


def _unindexed(client: Any, name: str) -> int:
    found = client.describe_index(name, _DESCRIPTOR, timeout=CALL)
    return int(found.get("pending_index_rows", 0)) if found else 0


def _index(client: Any, kind: str) -> Any:
    """Of inner products: of rows of length 1 these are cosines, and rows stay as they are."""
    made = client.prepare_index_params()
    made.add_index(
        _DESCRIPTOR, index_type=kind, index_name=_DESCRIPTOR, metric_type="IP",
        params=_PARAMETERS[kind],
    )  # fmt: skip
    return made


def _load(client: Any, address: Address) -> None:
    client.load_collection(address.name, timeout=_INDEXING, replica_number=address.server.replicas)


class MilvusWriter:
    """Puts rows into a collection; see `VectorsWriter`."""

    def __init__(self, file: Path, address: Address, dimensions: int) -> None:
        """Make the collection, if it is not there.

        Raises:
            IndexFolderError: there is no such server, or it refuses.
        """
        self._file, self._opened, self._address = file, file.stat(), address
        self._collection = Collection.at(address, file.parent)
        self._collection.call(lambda client: self._make(client, dimensions))

    def _make(self, client: Any, dimensions: int) -> None:
        if client.has_collection(self._address.name, timeout=CALL):
            return
        from pymilvus import DataType

        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(_ROW, DataType.INT64, is_primary=True)
        schema.add_field(_DESCRIPTOR, DataType.FLOAT_VECTOR, dim=dimensions)
        client.create_collection(
            self._address.name,
            schema=schema,
            consistency_level="Strong",
            num_shards=self._address.server.shards,
            timeout=CALL,
        )
        client.create_index(self._address.name, _index(client, "FLAT"), timeout=CALL)
        _load(client, self._address)

    def write(self, start: int, descriptors: Floats) -> None:
        """See `VectorsWriter.write`."""
        if not self._address.owned_by(self._file.parent):
            raise SolarError(
                "is a copy of a folder whose descriptors it shares: run `solar compact` on it, "
                "which gives it a collection of its own, and the same again",
                self._file.parent,
            )
        step = batch_rows(descriptors.shape[1])
        for first in range(0, len(descriptors), step):
            part = [
                {_ROW: start + first + position, _DESCRIPTOR: row}
                for position, row in enumerate(descriptors[first : first + step])
            ]
            self._collection.ask("upsert", PATIENCE, data=part)

    def sync(self) -> None:
        """See `VectorsWriter.sync`: a server has a log; Milvus Lite writes when it is told to."""
        if self._address.server.lite:
            self._collection.ask("flush")

    def prove(self) -> None:
        """See `VectorsWriter.prove`."""
        prove_same(self._file, self._opened)

    def close(self) -> None:
        """See `VectorsWriter.close`."""


def batch_rows(dimensions: int) -> int:
    """How many rows are sent or asked for at once."""
    return max(1, min(_BATCH_BYTES // (4 * dimensions), MOST))


class MilvusVectors:
    """The rows of a commit; see `Vectors`."""

    def __init__(self, folder: Path, address: Address | None, dimensions: int, rows: int) -> None:
        """Use a collection; None if there are no rows."""
        self._folder, self._address = folder, address
        self._dimensions, self._rows = dimensions, rows
        self._lock, self._settled = threading.Lock(), 0.0

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def _collection(self) -> Collection:
        """The collection, once it was seen to hold all rows."""
        assert self._address is not None  # noqa: S101
        collection = Collection.at(self._address, self._folder)
        asked: dict[str, Any] = {"filter": f"{_ROW} < {self._rows}", "output_fields": ["count(*)"]}
        ((found),) = collection.ask("query", **asked, consistency_level="Strong")
        if int(found["count(*)"]) < self._rows:
            raise IndexDamaged(
                f"collection {collection.name} on {collection.server.uri} was cut short: it holds "
                f"{found['count(*)']} rows where the catalogue says {self._rows}; restore it from "
                "a copy, or describe the photos again",
                self._folder,
            )
        self._settled = time.monotonic() + SETTLED
        return collection

    def _ask(self, what: str, **given: Any) -> Any:
        with self._lock:
            collection = self._collection
        return collection.ask(what, **given, consistency_level=self._level)

    @property
    def _level(self) -> str:
        """As strict as it must be for every row of the commit to be seen, and no stricter."""
        return "Strong" if time.monotonic() < self._settled else "Bounded"

    def read(self, rows: Ids) -> Floats:
        """See `Vectors.read`; not a number where the server has no such row."""
        found = np.full((len(rows), self._dimensions), np.nan, np.float32)
        if not len(rows):
            return found
        wanted = np.unique(rows)
        kept = np.full((len(wanted), self._dimensions), np.nan, np.float32)
        step = batch_rows(self._dimensions)
        for start in range(0, len(wanted), step):
            part = f"{_ROW} in {wanted[start : start + step].tolist()}"
            for each in self._ask("query", filter=part, output_fields=[_ROW, _DESCRIPTOR]):
                kept[np.searchsorted(wanted, each[_ROW])] = each[_DESCRIPTOR]
        return kept[np.searchsorted(wanted, rows)]

    def damaged(self, rows: Ids) -> NDArray[np.bool_]:
        """See `Vectors.damaged`."""
        return np.zeros(len(rows), np.bool_)

    def lengths(self, start: int) -> Floats:
        """See `Vectors.lengths`; 1: those that are found are looked at, and `verify` reads all."""
        return np.ones(max(self._rows - start, 0), np.float32)

    def search(self, queries: Floats, owners: Ids, top: int) -> tuple[Floats, Ids]:
        """See `Vectors.search`."""
        alive = np.flatnonzero(owners >= 0)
        top = min(top, len(alive))
        scores = np.empty((len(queries), top), np.float32)
        ids = np.empty((len(queries), top), np.int64)
        if scores.size == 0:
            return scores, ids
        candidates = self._candidates(queries, alive, top)
        held, where = np.unique(np.concatenate(candidates), return_inverse=True)
        descriptors, start = self.read(held), 0
        for position, rows in enumerate(candidates):
            mine = descriptors[where[start : start + len(rows)]]
            start += len(rows)
            found = scores_of(queries[position], rows, partial(_of, rows, mine))
            order = np.lexsort((owners[rows], -found))[:top]
            scores[position], ids[position] = found[order], owners[rows[order]]
        return scores, ids

    def _candidates(self, queries: Floats, alive: Ids, top: int) -> list[Ids]:
        """For each query rows, rising, among which the best are."""
        errors, found = margin(queries), [alive] * len(queries)
        reach, waiting = min(top + top // 2 + 32, len(alive)), np.arange(len(queries))
        while len(waiting):
            filters, limit, whole = filters_of(alive, self._rows, reach)
            again = []
            answers = self._near(queries[waiting], filters, limit, alive)
            for position, (rows, rough) in zip(waiting.tolist(), answers, strict=True):
                if len(rows) < top:
                    again.append(position)
                    continue
                least = least_of(rough[top - 1], errors[position])
                if whole or reach == MOST or rough[-1] < least:
                    found[position] = np.sort(rows[rough >= least])
                else:  # More of them may be as near.
                    again.append(position)
            if whole:
                break
            waiting = np.array(again, np.int64)
            reach = min(MOST if reach < MOST <= 4 * reach else 4 * reach, len(alive))
        return found

    def _near(
        self, queries: Floats, filters: Sequence[str], limit: int, alive: Ids
    ) -> Iterator[tuple[Ids, Floats]]:
        """For each query the rows that the server finds, best first, and rough scores."""
        effort = {"ef": min(max(2 * limit, _LEAST_EFFORT), 2 * MOST), "nprobe": _PROBES}
        step = max(1, min(_QUERIES, _ANSWERS // limit))
        counts = np.zeros(self._rows, np.bool_)
        counts[alive] = True
        for start in range(0, len(queries), step):
            asked = {"data": list(queries[start : start + step]), "limit": limit}
            asked["search_params"] = {"params": effort}
            found = [self._ask("search", filter=each, **asked) for each in filters]
            for answers in zip(*found, strict=True):
                rows = np.concatenate([np.array(each.ids, np.int64) for each in answers])
                rough = np.concatenate([np.array(each.distances, np.float32) for each in answers])
                rows, first = np.unique(rows, return_index=True)
                rough = rough[first]
                kept = (rows < self._rows) & counts[np.minimum(rows, self._rows - 1)]
                rows, rough = rows[kept], rough[kept]
                order = np.lexsort((rows, -rough))
                yield rows[order], rough[order]


def _of(rows: Ids, descriptors: Floats, chosen: Ids) -> Floats:
    return descriptors[np.searchsorted(rows, chosen)]


def filters_of(alive: Ids, rows: int, reach: int) -> tuple[list[str], int, bool]:
    """What to ask a server for: it takes long to read a filter that names many rows.

    Where few rows count, or few do not, they are named; else more are asked for than are wanted,
    and left out here; and where that would not do, all rows are named, some at a time.

    Args:
        alive: rows that count, rising.
        rows: how many there are.
        reach: how many of those that count to find.

    Returns:
        Filters that let through all rows that count, and perhaps others; how many answers to ask
        for of each; and whether that is all.
    """
    gone = rows - len(alive)
    if reach <= MOST:
        if len(alive) <= MOST and gone:
            return [f"{_ROW} in {alive.tolist()}"], reach, reach == len(alive)
        if gone <= MOST:
            left_out = np.setdiff1d(np.arange(rows), alive, assume_unique=True).tolist()
            but = f" and {_ROW} not in {left_out}" if left_out else ""
            return [f"{_ROW} < {rows}{but}"], reach, reach == len(alive)
        more = -(-reach * rows // len(alive))
        if more <= MOST:
            return [f"{_ROW} < {rows}"], more, False
    parts = (alive[start : start + MOST].tolist() for start in range(0, len(alive), MOST))
    return [f"{_ROW} in {part}" for part in parts], min(reach, MOST), reach >= MOST
