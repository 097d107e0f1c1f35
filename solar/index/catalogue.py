"""The catalogue: finds what an index holds by path and by content, while it is being written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from solar.errors import UsageError
from solar.index.listing import AnyPath, absolute_photo
from solar.index.records import Descriptor, Entry, State, path_to_bytes
from solar.index.snapshot import Snapshot
from solar.index.writer import Writer


class Catalogue:
    """Looks up photos by path or content in constant time, as of the last `put`.

    It keeps positions in the log, not entries, so that a million photos fit in memory.
    """

    def __init__(self, snapshot: Snapshot, writer: Writer) -> None:
        """Read the paths and content hashes of all photos.

        Args:
            snapshot: the last commit.
            writer: that continues it; `put` goes through to it.
        """
        self._snapshot = snapshot
        self._writer = writer
        self._fresh: list[Entry] = []
        self._superseded: set[int] = set()
        self._by_path: dict[bytes, int] = {}
        self._by_content: dict[bytes, tuple[int, ...]] = {}
        for key in snapshot.known_files():
            self._file(*key)

    def find(self, path: bytes) -> Entry | None:
        """The photo with a path, failed or not."""
        position = self._by_path.get(path)
        return None if position is None else self._entry(position)

    def named(self, photo: AnyPath | int) -> Entry:
        """The photo that a caller means by a path or an id.

        Raises:
            UsageError: it is not in the index.
        """
        if isinstance(photo, int):
            entry = self._snapshot.find(photo)
        else:
            # As the index stores it, or as it would.
            entry = self.find(path_to_bytes(Path(photo)))
            entry = entry or self.find(path_to_bytes(absolute_photo(Path(photo))))
        if entry is None:
            kind = "id" if isinstance(photo, int) else "photo"
            raise UsageError(
                f"{self._snapshot.folder} holds no {kind} {photo}, so nothing was done"
            )
        return entry

    def same_content(self, sha256: bytes) -> Entry | None:
        """A photo of which the index has a descriptor and whose file had these bytes."""
        for position in self._by_content.get(sha256, ()):
            if position not in self._superseded:
                return self._entry(position)
        return None

    def paths(self) -> Iterator[bytes]:
        """Of all photos, failed ones too."""
        return iter(self._by_path)

    def supersede(self, path: bytes) -> None:
        """From here on, the photo's old content is not found any more: it has changed."""
        if path in self._by_path:
            self._superseded.add(self._by_path[path])

    def put(self, entry: Entry, descriptor: Descriptor | None = None) -> None:
        """Write an entry, in the place of the one with the same path if there is one."""
        entry = self._writer.put(entry, descriptor)
        self.supersede(entry.path)
        self._fresh.append(entry)
        position = len(self._snapshot.records) + len(self._fresh) - 1
        if entry.state == State.REMOVED:
            self._by_path.pop(entry.path, None)
        else:
            self._file(position, entry.path, entry.sha256, entry.state == State.PHOTO)

    def _file(self, position: int, path: bytes, sha256: bytes, described: bool) -> None:
        self._by_path[path] = position
        if described:
            self._by_content[sha256] = (*self._by_content.get(sha256, ()), position)

    def _entry(self, position: int) -> Entry:
        committed = len(self._snapshot.records)
        if position < committed:
            return self._snapshot.entry(position)
        return self._fresh[position - committed]
