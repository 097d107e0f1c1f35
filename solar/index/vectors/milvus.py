"""Kind `milvus`: rows in a collection of a Milvus server, alone or a cluster.

The catalogue stays in the index folder and decides what exists. Its row numbers are the primary
keys, so that writing a row again replaces it; every question is bounded by the rows of the commit,
so that what a killed writer left behind is not seen, and the next writer writes over it.

Candidates are what the server finds by inner products in single precision. As for other kinds they
are read and ranked in double precision, so that scores are cosines of the rows as they are kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import IndexDamaged, SolarError
from solar.index.vectors._address import Address, Server
from solar.index.vectors._collection import (
    DESCRIPTOR,
    INDEXING,
    MilvusWriter,
    index_for,
    index_of,
    index_of_kind,
    load,
    unindexed,
)
from solar.index.vectors._remote import MilvusVectors
from solar.index.vectors._server import CALL, PATIENCE, Collection, prove

if TYPE_CHECKING:
    from solar.typing import Progress


class Milvus:
    """Rows on a server, and a file that says on which; see `Kind`."""

    says = "float32 rows on a Milvus server, that finds candidates; scores are those of the rows"
    recall: Mapping[int, float] = MappingProxyType({100_000: 1.0})

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

    def kept(self, descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Kind.kept`."""
        return descriptors

    def server(self, given: Server | None) -> Server:
        """See `Kind.server`."""
        found = given or Server.named()
        prove(found)
        return found

    def place(self, folder: Path, number: int, server: Server | None) -> None:
        """See `Kind.place`."""
        if server is None:
            known = sorted(folder.glob("milvus-*.json"))
            server = Address.read(known[-1]).server if known else Server.named()
        Address.new(server, folder).write(self.files(folder, number)[0])

    def whereabouts(self, folder: Path, number: int) -> str:
        """See `Kind.whereabouts`: server and collection."""
        (file,) = self.files(folder, number)
        if not file.exists():
            return "nowhere yet"
        address = Address.read(file)
        return f"{address.now.uri}, collection {address.name}"

    def is_at(self, folder: Path, number: int, server: Server) -> bool:
        """See `Kind.is_at`."""
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
        *,
        unseen: bool = False,
    ) -> None:
        """Give a collection that nobody searches yet the index for its number of rows."""
        if not unseen:
            return
        address = Address.read(self.files(folder, number)[0])
        wanted, collection = index_for(address.server, rows), Collection.at(address, folder)
        if collection.call(lambda client: index_of(client, address.name)) == wanted:
            return

        def change(client: Any) -> None:
            client.flush(address.name, timeout=INDEXING)
            client.release_collection(address.name, timeout=CALL)
            if index_of(client, address.name):
                client.drop_index(address.name, DESCRIPTOR, timeout=CALL)
            client.create_index(address.name, index_of_kind(client, wanted), timeout=INDEXING)
            while (left := unindexed(client, address.name)) > 0:
                if progress is not None:
                    progress(max(rows - left, 0), rows)
                time.sleep(1)
            load(client, address)

        collection.call(change, PATIENCE)

    def scattered(self, folder: Path, number: int, dimensions: int, rows: int) -> bool:
        """See `Kind.scattered`: whether the rows would get another index, or an owner."""
        address = Address.read(self.files(folder, number)[0])
        if not address.owned_by(folder):
            return True
        found = Collection.at(address, folder).call(lambda client: index_of(client, address.name))
        return found != index_for(address.server, rows)
