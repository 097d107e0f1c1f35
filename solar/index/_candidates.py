"""Photos whose content must be looked at before it is known whether they are described."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from solar.files.atomic import sha256
from solar.files.threads import cores, threads
from solar.index._entries import Entry
from solar.index.catalogue import Home

Ready = Callable[[Path, os.stat_result], bool]
"""Whether a file may be read now."""


@dataclass(frozen=True)
class Candidate:
    """A photo whose content must be looked at, with its file's state before that."""

    id: int
    home: Home
    file: Path
    known: Entry | None
    stamp: tuple[int, int, int]

    def content(self) -> bytes | OSError:
        """SHA-256 of the file, or why it cannot be read."""
        try:
            return bytes.fromhex(sha256(self.file))
        except OSError as error:
            return error

    def entry(self, content: bytes) -> Entry:
        """What to keep of it, without a descriptor yet."""
        return Entry(self.id, *self.home, content, *self.stamp)


def contents_of(candidates: Sequence[Candidate]) -> list[bytes | OSError]:
    """Read and hash files, several at a time."""
    with threads(min(8, cores())) as pool:
        return list(pool.map(Candidate.content, candidates))
