"""Adding photos: tells new and changed ones from known ones, and describes only those."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from solar.errors import IndexFolderError, SolarError
from solar.files.atomic import sha256
from solar.index.catalogue import Catalogue
from solar.index.describer import Describer
from solar.index.records import Descriptor, Entry, State, path_to_bytes, path_to_text
from solar.index.results import AddReport
from solar.index.writer import Writer

Progress = Callable[[int, int], None]

# What a killed run has to do again, at most.
_PHOTOS_PER_COMMIT = 256
_SECONDS_PER_COMMIT = 10.0
_PHOTOS_PER_ROUND = 4096  # Enough for extraction to form its batches.
_LENGTH_TOLERANCE = 1e-3


@dataclass(frozen=True)
class _Candidate:
    """A photo whose content must be looked at, with its file's state before that."""

    id: int
    path: bytes
    known: Entry | None
    size: int
    mtime_ns: int

    def content(self) -> bytes | OSError:
        """SHA-256 of the file, or why it cannot be read."""
        try:
            return bytes.fromhex(sha256(path_to_text(self.path)))
        except OSError as error:
            return error


class Addition:
    """One call of `Index.add`."""

    def __init__(
        self,
        writer: Writer,
        catalogue: Catalogue,
        describer: Callable[[], Describer],
        *,
        retry_failed: bool,
        progress: Progress | None,
    ) -> None:
        """Prepare.

        Args:
            writer: of the index.
            catalogue: of the index, through which entries are written.
            describer: called once there is a photo to describe.
            retry_failed: try photos again that failed before and have not changed.
            progress: called with the number of photos dealt with, and of all.
        """
        self._report = AddReport()
        self._writer = writer
        self._catalogue = catalogue
        self._describer = describer
        self._retry_failed = retry_failed
        self._progress = progress
        self._missing: set[bytes] = set()
        self._last_commit = time.monotonic()
        self._done = 0
        self._total = 0

    def run(self, paths: Sequence[Path]) -> None:
        """Add photos, committing as it goes.

        Args:
            paths: absolute, each once.

        Raises:
            SolarError: the index cannot be written, or the model not be used. Like an
                interruption, this leaves the photos that are done in the index.
        """
        self._total = len(paths)
        try:
            for start in range(0, len(paths), _PHOTOS_PER_ROUND):
                self._round(paths[start : start + _PHOTOS_PER_ROUND])
        finally:
            self._writer.commit()

    def _round(self, paths: Sequence[Path]) -> None:
        candidates = [found for path in paths if (found := self._look(path)) is not None]
        groups: dict[bytes, list[_Candidate]] = {}
        for candidate, content in zip(candidates, _contents(candidates), strict=True):
            if isinstance(content, OSError):
                self._unreadable(candidate.path, candidate.known, content)
            elif not self._restated(candidate, content):
                self._catalogue.supersede(candidate.path)
                groups.setdefault(content, []).append(candidate)
        unseen = [item for item in groups.items() if not self._copied(*item)]
        if unseen:
            self._describe(unseen)

    def _look(self, path: Path) -> _Candidate | None:
        """Tell from size and time alone whether a photo is known: then there is no candidate."""
        name = path_to_bytes(path)
        known = self._catalogue.find(name)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is not a regular file")
        except FileNotFoundError:
            self._missing.add(name)
            self._step()
            return None
        except OSError as error:
            self._unreadable(name, known, error)
            return None
        stamp = found.st_size, found.st_mtime_ns
        if known is None:
            # Numbered here, so that ids do not depend on the order in which descriptors arrive.
            return _Candidate(self._writer.new_id(), name, None, *stamp)
        if (known.size, known.mtime_ns) != stamp or self._to_retry(known):
            return _Candidate(known.id, name, known, *stamp)
        self._known(known)
        return None

    def _to_retry(self, known: Entry) -> bool:
        return known.state == State.FAILED and self._retry_failed

    def _restated(self, candidate: _Candidate, content: bytes) -> bool:
        """Note only the new time of a file that was written again with the same content."""
        known = candidate.known
        if known is None or known.sha256 != content or self._to_retry(known):
            return False
        self._catalogue.put(known._replace(size=candidate.size, mtime_ns=candidate.mtime_ns))
        self._known(known)
        return True

    def _copied(self, content: bytes, group: list[_Candidate]) -> bool:
        """Give photos the descriptor of one that the index has, if their bytes are the same."""
        original = self._catalogue.same_content(content)
        if original is None:
            return False
        descriptor = self._writer.descriptor(original)
        for candidate in group:
            self._record(candidate, content, descriptor)
            self._duplicate(candidate, original.path)
        return True

    def _describe(self, groups: list[tuple[bytes, list[_Candidate]]]) -> None:
        """Describe photos, those with the same bytes once."""
        waiting = dict(enumerate(groups))
        firsts = [Path(path_to_text(group[0].path)) for _, group in groups]
        for position, result in self._describer().describe(firsts):
            content, group = waiting.pop(position)
            outcome = result if isinstance(result, str) else self._checked(result, firsts[position])
            for candidate in group:
                self._record(candidate, content, outcome)
            if not isinstance(outcome, str):
                for candidate in group[1:]:
                    self._duplicate(candidate, group[0].path)
        if waiting:
            raise SolarError(
                f"{len(waiting)} photos came back from extraction without a result, "
                f"among them {firsts[next(iter(waiting))]}"
            )

    def _checked(self, descriptor: Descriptor, path: Path) -> Descriptor | str:
        wanted = (self._writer.manifest.settings.dimensions,)
        if descriptor.shape != wanted:
            raise IndexFolderError(
                f"{self._writer.folder} holds descriptors of shape {wanted}, "
                f"not {descriptor.shape}: use the model that it was made with"
            )
        length = float(np.linalg.norm(descriptor))
        if not abs(length - 1) <= _LENGTH_TOLERANCE:  # True for NaN as well.
            return f"{path}: its descriptor has length {length:.4g} instead of 1"
        return descriptor.astype("<f4")

    def _record(
        self, candidate: _Candidate, content: bytes, outcome: Descriptor | str | None
    ) -> None:
        """Write the outcome for a new or changed photo: its descriptor, or why it has none."""
        known = candidate.known
        entry = Entry(
            id=candidate.id,
            state=State.PHOTO,
            path=candidate.path,
            size=candidate.size,
            mtime_ns=candidate.mtime_ns,
            sha256=content,
        )
        if isinstance(outcome, str):
            self._catalogue.put(entry._replace(state=State.FAILED, reason=outcome))
            self._report.failed.append((path_to_text(entry.path), outcome))
        else:
            self._catalogue.put(entry, outcome)
            is_new = known is None or known.state == State.FAILED
            report = self._report.added if is_new else self._report.changed
            report.append(path_to_text(entry.path))
        self._step()
        self._commit_if_due()

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        many = self._writer.pending >= _PHOTOS_PER_COMMIT
        if many or now - self._last_commit >= _SECONDS_PER_COMMIT:
            self._writer.commit()
            self._last_commit = now

    def _known(self, entry: Entry) -> None:
        path = path_to_text(entry.path)
        if entry.state == State.FAILED:
            self._report.failed.append((path, entry.reason))
        else:
            self._report.unchanged.append(path)
        self._step()

    def _unreadable(self, path: bytes, known: Entry | None, error: OSError) -> None:
        """A file that cannot be read, perhaps for a while: what the index knows of it stays."""
        reason = f"{path_to_text(path)}: cannot be read: {error.strerror or error}"
        if known is None:
            number = self._writer.new_id()
            entry = Entry(number, State.FAILED, path, -1, -1, bytes(32), reason=reason)
            self._catalogue.put(entry)
        self._report.failed.append((path_to_text(path), reason))
        self._step()

    def _duplicate(self, candidate: _Candidate, original: bytes) -> None:
        self._report.duplicates.append((path_to_text(candidate.path), path_to_text(original)))

    def finish(self, given: set[bytes]) -> AddReport:
        """The report, by name, with the photos of the index whose file is gone.

        Args:
            given: absolute paths of the photos and folders to look at and below, without a slash
                at the end.
        """
        accounted: set[bytes] = set()
        for path in self._catalogue.paths():
            above = given.intersection(_lineage(path))
            if above and _is_gone(path):
                self._report.vanished.append(path_to_text(path))
                accounted |= above
        for missing in map(path_to_text, self._missing - accounted):
            self._report.failed.append((missing, f"{missing}: there is no such file"))
        for part in vars(self._report).values():
            part.sort()
        return self._report

    def _step(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _contents(candidates: Sequence[_Candidate]) -> list[bytes | OSError]:
    """Read and hash files, several at a time."""
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        return list(pool.map(_Candidate.content, candidates))
    finally:
        pool.shutdown(cancel_futures=True)  # An interruption need not wait for the rest.


def _lineage(path: bytes) -> Iterator[bytes]:
    """A path and all folders above it."""
    yield path
    while (cut := path.rfind(b"/")) >= 0:
        path = path[:cut]
        yield path


def _is_gone(path: bytes) -> bool:
    try:
        Path(path_to_text(path)).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # Out of reach for now, which is not gone.
        return False
    return False
