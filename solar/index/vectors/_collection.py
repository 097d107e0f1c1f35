"""Collections of a Milvus server: how they are made, indexed and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError
from solar.index._datafile import prove_same
from solar.index.vectors._address import Address, Server
from solar.index.vectors._server import CALL, PATIENCE, Collection

LARGE = 200_000
"""Rows from which on comparing all of them takes the server long."""

MOST = 16_384
"""Of answers to a query, and of rows that a filter names; more than that no server gives."""

ROW, DESCRIPTOR = "row", "descriptor"
"""The fields: a number that the catalogue gives, and the numbers of a descriptor."""

INDEXING = 6 * 3600.0
"""Seconds for what takes long with many million rows."""

_BATCH_BYTES = 8 << 20  # Of one message; a server takes 64 MB.
_PARAMETERS: dict[str, dict[str, int]] = {
    "FLAT": {},
    "HNSW": {"M": 24, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 2048},
}


def index_for(server: Server, rows: int) -> str:
    """The type of index for so many rows."""
    if server.index != "auto":
        return server.index
    return "FLAT" if rows < LARGE or server.lite else "HNSW"


def index_of(client: Any, name: str) -> str:
    """The type of index that a collection has; empty for none."""
    found = client.describe_index(name, DESCRIPTOR, timeout=CALL)
    return str(found["index_type"]) if found else ""


def unindexed(client: Any, name: str) -> int:
    """How many rows an index has still to take in."""
    found = client.describe_index(name, DESCRIPTOR, timeout=CALL)
    return int(found.get("pending_index_rows", 0)) if found else 0


def index_of_kind(client: Any, kind: str) -> Any:
    """Of inner products: of rows of length 1 these are cosines, and rows stay as they are."""
    made = client.prepare_index_params()
    made.add_index(
        DESCRIPTOR, index_type=kind, index_name=DESCRIPTOR, metric_type="IP",
        params=_PARAMETERS[kind],
    )  # fmt: skip
    return made


def load(client: Any, address: Address) -> None:
    """Bring a collection into memory, to be searched."""
    client.load_collection(address.name, timeout=INDEXING, replica_number=address.server.replicas)


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
        """Do what is not done: another writer may have been killed on its way through here."""
        name = self._address.name
        if not client.has_collection(name, timeout=CALL):
            self._create(client, dimensions)
        if not index_of(client, name):
            client.create_index(name, index_of_kind(client, "FLAT"), timeout=CALL)
        if client.get_load_state(name, timeout=CALL)["state"].name != "Loaded":
            load(client, self._address)

    def _create(self, client: Any, dimensions: int) -> None:
        from pymilvus import DataType

        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(ROW, DataType.INT64, is_primary=True)
        schema.add_field(DESCRIPTOR, DataType.FLOAT_VECTOR, dim=dimensions)
        client.create_collection(
            self._address.name,
            schema=schema,
            consistency_level="Strong",
            num_shards=self._address.server.shards,
            timeout=CALL,
        )

    def write(self, start: int, descriptors: NDArray[np.float32]) -> None:
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
                {ROW: start + first + position, DESCRIPTOR: row}
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
