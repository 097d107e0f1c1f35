"""Adding photos: tells new and changed ones from known ones, and describes only those."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from solar.errors import SolarError
from solar.extraction import Extractor, Failed
from solar.files.atomic import sha256
from solar.index._content import WatchedPhoto, as_photos
from solar.index._entries import (
    Descriptor,
    Entry,
    descriptor_sum,
    is_gone,
    path_to_bytes,
    stamp_of,
)
from solar.index._features import FeatureMaker
from solar.index._roots import Roots
from solar.index._snapshot import LENGTH_TOLERANCE, Snapshot
from solar.index._writer import Writer
from solar.index.results import AddReport
from solar.photos import decoder_came
from solar.typing import Progress

# What a killed run has to do again, at most.
_PHOTOS_PER_COMMIT = 256
_SECONDS_PER_COMMIT = 10.0
_PHOTOS_PER_ROUND = 4096  # Enough for extraction to form its batches.
_UNFINISHED = 4  # Places that are named, at most.


@dataclass(frozen=True)
class _Candidate:
    """A photo whose content must be looked at, with its file's state before that."""

    id: int
    root: int
    path: bytes
    file: Path
    known: Entry | None
    stamp: tuple[int, int, int]

    def content(self) -> bytes | OSError:
        """SHA-256 of the file, or why it cannot be read."""
        try:
            return bytes.fromhex(sha256(self.file))
        except OSError as error:
            return error


class _Outcome(NamedTuple):
    """A photo that is ready to be put, once its features are made."""

    entry: Entry
    file: Path
    descriptor: Descriptor | None = None


class Addition:
    """One call of `Index.add`."""

    def __init__(
        self,
        snapshot: Snapshot,
        writer: Writer,
        roots: Roots,
        extractor: Callable[[], Extractor],
        features: FeatureMaker | None,
        *,
        retry_failed: bool = False,
        check_content: bool = False,
        moving: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Prepare.

        Args:
            snapshot: the last commit.
            writer: on top of it.
            roots: that hold all photos.
            extractor: called once there is a photo to describe.
            features: makes them; None if the index keeps none.
            retry_failed: try photos again that failed before and have not changed.
            check_content: read files whose size and times have not changed, too.
            moving: a photo whose file is gone may be one that is found elsewhere now.
            progress: called with the number of photos dealt with, and of all.
        """
        self.report = AddReport()
        self._snapshot = snapshot
        self._writer = writer
        self._roots = roots
        self._extractor = extractor
        self._features = features
        self._retry_failed = retry_failed
        self._check_content = check_content
        self._moving = moving
        self._progress = progress
        self.missing: set[bytes] = set()
        self._changing: set[int] = set()
        self._vectors = snapshot.vectors
        self._ready: list[_Outcome] = []
        self._last_commit = time.monotonic()
        self._done = 0
        self._total = 0

    def run(self, paths: Sequence[Path], places: Sequence[str] = ()) -> None:
        """Add photos, committing as it goes.

        Args:
            paths: absolute, each once.
            places: that they are in; until all is done, the index says that they are unfinished.

        Raises:
            SolarError: the index cannot be written, or the model not be used. Like an
                interruption, this leaves the photos that are done in the index.
        """
        self._total = len(paths)
        if self._progress is not None:
            self._progress(0, self._total)
        before = self._writer.unfinished
        self._writer.unfinished = tuple(dict.fromkeys((*before, *places)))[:_UNFINISHED]
        try:
            for start in range(0, len(paths), _PHOTOS_PER_ROUND):
                if start:
                    self._commit()
                self._round(paths[start : start + _PHOTOS_PER_ROUND])
            self._put(with_features=True)
            self._writer.unfinished = tuple(place for place in before if place not in places)
        finally:
            self._put(with_features=False)
            self._writer.commit()

    def _round(self, paths: Sequence[Path]) -> None:
        candidates = [found for path in paths if (found := self._look(path)) is not None]
        groups: dict[bytes, list[_Candidate]] = {}
        self._changing = set()
        for candidate, content in zip(candidates, _contents(candidates), strict=True):
            if isinstance(content, OSError):
                self._unreadable(candidate, content)
            elif not self._restated(candidate, content):
                self._changing.add(candidate.id)
                groups.setdefault(content, []).append(candidate)
        unseen = [item for item in groups.items() if not self._copied(*item)]
        while unseen:
            unseen = self._describe(unseen)

    def _look(self, path: Path) -> _Candidate | None:
        """Tell from size and times alone whether a photo is known: then there is no candidate."""
        whole = path_to_bytes(path)
        home = self._roots.home(whole)
        if home is None:  # It does not exist, and nothing beside it is known.
            self.missing.add(whole)
            self._step()
            return None
        known = self._snapshot.catalogue.named(*home, self._snapshot.commit.generation)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is not a regular file")
        except FileNotFoundError:
            self.missing.add(whole)
            self._step()
            return None
        except OSError as error:
            self._unreadable(_Candidate(-1, *home, path, known, (-1, -1, -1)), error)
            return None
        same = known is not None and known.stamp == stamp_of(found) and not self._check_content
        if same and known is not None and not self._to_retry(known):
            self._known(known, path)
            return None
        # Numbered here, so that ids do not depend on the order in which descriptors arrive.
        number = self._writer.new_id() if known is None else known.id
        return _Candidate(number, *home, path, known, stamp_of(found))

    def _to_retry(self, known: Entry) -> bool:
        return known.row is None and (self._retry_failed or decoder_came(known.reason or ""))

    def _restated(self, candidate: _Candidate, content: bytes) -> bool:
        """Note only the new times of a file that was written again with the same content."""
        known = candidate.known
        if known is None or known.sha256 != content or self._to_retry(known):
            return False
        size, mtime_ns, ctime_ns = candidate.stamp
        if known.stamp != candidate.stamp:
            known = known._replace(size=size, mtime_ns=mtime_ns, ctime_ns=ctime_ns)
            self._writer.put(known)
        self._known(known, candidate.file)
        return True

    def _copied(self, content: bytes, group: list[_Candidate]) -> bool:
        """Let photos be those that the index has with the same bytes, moved, or copies of one."""
        generation = self._writer.commit_read.generation
        same = self._snapshot.catalogue.with_content(content, generation)
        same = [entry for entry in same if entry.id not in self._changing]
        while group and self._moving and (left := self._left(same, group[0].file)) is not None:
            same[left] = self._moved(same[left], group.pop(0))
        original = next(iter(same), None)
        if not group or original is None or original.row is None:
            return not group
        if original.row >= len(self._vectors):  # Of this very call.
            self._vectors = self._writer.vectors()
        descriptor = self._vectors.read(np.array([original.row]))[0]
        if descriptor_sum(descriptor) != original.descriptor_sum:
            return False  # Damaged: described anew.
        for candidate in group:
            entry = _entry(candidate, content).with_features_of(original)
            self._described(candidate, entry, descriptor)
            self._duplicate(candidate, self._roots.text(original.root, original.path))
        return True

    def _left(self, same: Sequence[Entry], file: Path) -> int | None:
        """Which of some photos is not where it was, or there by a link to a file that is given."""
        for place, entry in enumerate(same):
            path = Path(self._text(entry))
            if path.is_absolute() and (
                is_gone(path)
                or (path.is_symlink() and not file.is_symlink() and path.samefile(file))
            ):
                return place
        return None

    def _moved(self, entry: Entry, candidate: _Candidate) -> Entry:
        """Keep a photo at its new place, instead of what was known there."""
        moved = Entry(entry.id, candidate.root, candidate.path, entry.sha256, *candidate.stamp)
        moved = Entry(*moved[:7], *entry[7:])
        self._writer.put(moved)
        if candidate.known is not None:
            self._writer.remove(candidate.id)
        self.report.moved.append((self._text(entry), self._text(moved)))
        self._known(moved, candidate.file)
        return moved

    def _describe(
        self, groups: list[tuple[bytes, list[_Candidate]]]
    ) -> list[tuple[bytes, list[_Candidate]]]:
        """Describe photos, those with the same bytes once.

        Returns:
            Those that still wait because the one that stood for them has changed meanwhile.
        """
        waiting = dict(enumerate(groups))
        firsts = [WatchedPhoto(group[0].file) for _, group in groups]
        again = []
        for result in self._extractor().describe(as_photos(firsts)):
            content, group = waiting.pop(result.position)
            read = firsts[result.position].sha256
            if read != content and len(group) > 1:
                again.append((content, group[1:]))
                group = group[:1]
            if isinstance(result, Failed):
                self._failed(group, read, str(result.error))
            else:
                self._accept(group, read or content, result.descriptor)
        if waiting:
            raise SolarError(
                f"{len(waiting)} photos came back from extraction without a result, "
                f"among them {groups[next(iter(waiting))][1][0].file}"
            )
        return again

    def _accept(self, group: list[_Candidate], content: bytes, descriptor: Descriptor) -> None:
        wanted = (self._snapshot.commit.extraction.dimensions,)
        if descriptor.shape != wanted:
            raise SolarError(
                f"holds descriptors of shape {wanted}, not {descriptor.shape}: use the model that "
                "it was made with",
                self._snapshot.folder,
            )
        length = float(np.linalg.norm(descriptor))
        if not abs(length - 1) <= LENGTH_TOLERANCE:  # True for NaN as well.
            reason = f"{group[0].file}: its descriptor has length {length:.4g} instead of 1"
            self._failed(group, content, reason)
            return
        for candidate in group:
            self._described(candidate, _entry(candidate, content), descriptor)
        for candidate in group[1:]:
            self._duplicate(candidate, str(group[0].file))

    def _described(self, candidate: _Candidate, entry: Entry, descriptor: Descriptor) -> None:
        is_new = candidate.known is None or candidate.known.row is None
        report = self.report.added if is_new else self.report.changed
        report.append(self._text(entry))
        self._keep(_Outcome(entry, candidate.file, descriptor.astype("<f4")))

    def _keep(self, outcome: _Outcome) -> None:
        self._ready.append(outcome)
        if self._features is None:  # Else a photo is done once these are made.
            self._step()
        self._commit_if_due()

    def _failed(self, group: list[_Candidate], content: bytes | None, reason: str) -> None:
        for candidate in group:
            if content is None:  # It could not even be read.
                self._unreadable(candidate, OSError(reason.removeprefix(f"{candidate.file}: ")))
                continue
            safe = reason.encode("utf-8", "backslashreplace").decode()
            self._writer.put(_entry(candidate, content)._replace(reason=safe))
            self.report.failed.append((str(candidate.file), reason))
            self._step()
            self._commit_if_due()

    def _commit_if_due(self) -> None:
        many = self._writer.pending + len(self._ready) >= _PHOTOS_PER_COMMIT
        if many or time.monotonic() - self._last_commit >= _SECONDS_PER_COMMIT:
            self._commit()

    def _commit(self) -> None:
        self._put(with_features=True)
        self._writer.commit()
        self._last_commit = time.monotonic()

    def _put(self, *, with_features: bool) -> None:
        """Hand over what is ready, with its features if the index keeps any."""
        lacking = [outcome for outcome in self._ready if outcome.entry.features_at is None]
        found: dict[bytes, bytes | str] = {}
        if self._features is not None and with_features and lacking:
            files = {
                outcome.entry.sha256: outcome.file
                for outcome in reversed(lacking)
                if outcome.entry.sha256
            }
            found = self._features.make(files, self._step)
        ready, self._ready = self._ready, []
        for _ in range(len(ready) - len(found) if self._features else 0):
            self._step()
        placed: dict[bytes, Entry] = {}
        for entry, file, descriptor in ready:
            key = entry.sha256 or b""
            made = found.get(key)
            if isinstance(made, str):
                self.report.without_features.append((str(file), made))
                made = None
            if made is not None and key in placed:  # Kept once for photos with the same bytes.
                self._writer.put(entry.with_features_of(placed[key]), descriptor)
            elif descriptor is not None or made is not None:
                placed[key] = self._writer.put(entry, descriptor, made)

    def _known(self, entry: Entry, file: Path) -> None:
        if entry.row is None:
            self.report.still_failed.append((str(file), entry.reason or ""))
        else:
            self.report.unchanged.append(str(file))
            if self._features is not None and entry.features_at is None and entry.sha256:
                self._keep(_Outcome(entry, file))
                return
        self._step()

    def _unreadable(self, candidate: _Candidate, error: OSError) -> None:
        """A file that cannot be read, perhaps for a while: what the index knows of it stays."""
        reason = f"{candidate.file}: cannot be read: {error.strerror or error}"
        if candidate.known is None:
            number = self._writer.new_id() if candidate.id < 0 else candidate.id
            safe = reason.encode("utf-8", "backslashreplace").decode()
            self._writer.put(Entry(number, candidate.root, candidate.path, reason=safe))
        self.report.failed.append((str(candidate.file), reason))
        self._step()

    def _duplicate(self, candidate: _Candidate, original: str) -> None:
        self.report.duplicates.append((str(candidate.file), original))

    def _text(self, entry: Entry) -> str:
        return self._roots.text(entry.root, entry.path)

    def _step(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _entry(candidate: _Candidate, content: bytes) -> Entry:
    return Entry(candidate.id, candidate.root, candidate.path, content, *candidate.stamp)


def _contents(candidates: Sequence[_Candidate]) -> list[bytes | OSError]:
    """Read and hash files, several at a time."""
    pool = ThreadPoolExecutor(min(8, cpu_count() or 1))
    try:
        return list(pool.map(_Candidate.content, candidates))
    finally:
        pool.shutdown(cancel_futures=True)  # An interruption need not wait for the rest.
