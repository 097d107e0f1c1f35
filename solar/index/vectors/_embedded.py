"""What kinds have in common that keep all of their rows in the folder of the index."""

from __future__ import annotations

from pathlib import Path

from solar.errors import UsageError
from solar.index.vectors._address import Server
from solar.typing import Progress


class Embedded:
    """A kind that keeps all in the folder of the index, with nothing to arrange; see `Kind`."""

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
        """See `Kind.arrange`."""

    def scattered(self, folder: Path, number: int, dimensions: int, rows: int) -> bool:
        """See `Kind.scattered`."""
        return False

    def server(self, given: Server | None) -> None:
        """See `Kind.server`."""
        if given is not None:
            raise UsageError("--milvus-uri: add --kind milvus, or leave it out")

    def place(self, folder: Path, number: int, server: Server | None) -> None:
        """See `Kind.place`."""

    def is_at(self, folder: Path, number: int, server: Server) -> bool:
        """See `Kind.is_at`."""
        return False

    def whereabouts(self, folder: Path, number: int) -> str | None:
        """See `Kind.whereabouts`."""
        return None
