"""Adding photos: tells new and changed ones from known ones, and describes only those."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from solar.errors import SolarError
from solar.extraction import Extractor
from solar.features.extractor import FeatureExtractor
from solar.files.log import logger
from solar.index._candidates import Candidate, Ready, contents_of
from solar.index._describing import describe_files
from solar.index._entries import Descriptor, Entry, is_gone, path_to_bytes, stamp_of
from solar.index._given import Given, missed
from solar.index._putting import Outcome, Putting
from solar.index._roots import Roots
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.catalogue import Home
from solar.index.results import AddReport
from solar.photos import decoder_came
from solar.photos.facts import facts_of
from solar.typing import Progress

_log = logger(__name__)

_PHOTOS_PER_ROUND = 4096  # Enough for extraction to form its batches.
_UNFINISHED = 4  # Paths that are named, at most.


class Addition:
    """One call of `Index.add`: each round of paths is looked at, hashed, described and put.

    Attributes:
        report: what became of each photo so far.
        missing: photos that were given and do not exist.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        writer: Writer,
        roots: Roots,
        extractor: Callable[[], Extractor],
        features: Callable[[], FeatureExtractor] | None,
        *,
        retry_failed: bool = False,
        check_content: bool = False,
        moving: bool = False,
        ready: Ready | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Prepare.

        Args:
            snapshot: the last commit.
            writer: on top of it.
            roots: that hold all photos.
            extractor: called once there is a photo to describe.
            features: called once there is one to make features of; None if the index keeps none.
            retry_failed: try photos again that failed before and have not changed.
            check_content: read files whose size and times have not changed, too.
            moving: a photo whose file is gone may be one that is found elsewhere now.
            ready: says whether a file may be read now; those that may not stay as they are.
            progress: called with the number of photos dealt with, and of all.
        """
        self.report = AddReport()
        self.missing: set[bytes] = set()
        self._snapshot = snapshot
        self._writer = writer
        self._roots = roots
        self._extractor = extractor
        self._retry_failed = retry_failed
        self._check_content = check_content
        self._moving = moving
        self._may_read = ready
        self._putting = Putting(writer, features, self.report, progress)
        self._changing: set[int] = set()
        self._vectors = snapshot.vectors

    def run(self, paths: Sequence[Path], given: Sequence[str] = ()) -> None:
        """Add photos, committing as it goes.

        Args:
            paths: absolute, each once.
            given: paths of the folders that they are in; until all is done, the index says that
                these are unfinished.

        Raises:
            SolarError: the index cannot be written, or the model not be used. Like an
                interruption, this leaves the photos that are done in the index.
        """
        self._putting.begin(len(paths))
        before = self._writer.unfinished
        self._writer.unfinished = tuple(dict.fromkeys((*before, *given)))[:_UNFINISHED]
        try:
            for start in range(0, len(paths), _PHOTOS_PER_ROUND):
                if start:
                    self._putting.commit()
                self._round(paths[start : start + _PHOTOS_PER_ROUND])
            self._putting.put(with_features=True)
            done = tuple(f"{path}/" for path in given)
            self._writer.unfinished = tuple(
                path for path in before if not f"{path}/".startswith(done) and Path(path).exists()
            )
        except SolarError:  # Of a wrong call, say: nothing was begun.
            if self._writer.commit_read.unfinished == before:
                self._writer.unfinished = before
            raise
        finally:
            self._putting.put(with_features=False)
            self._writer.commit()

    def finish(self, last: Snapshot, given: Given) -> AddReport:
        """The report, by name, with the photos of the index whose file is gone.

        Args:
            last: the index as it is now.
            given: what was asked for.
        """
        missed(given, last, self.missing, self.report)
        self.report.moved += given.moved
        self.report.roots, self.report.left_out = given.added, given.left_out
        for part in vars(self.report).values():
            part.sort()
        return self.report

    def _round(self, paths: Sequence[Path]) -> None:
        homes = [self._roots.home(path_to_bytes(path)) for path in paths]
        known = self._snapshot.named(home for home in homes if home is not None)
        looked = (
            self._look(path, home, known.get(home) if home else None)
            for path, home in zip(paths, homes, strict=True)
        )
        candidates = [candidate for candidate in looked if candidate is not None]
        groups: dict[bytes, list[Candidate]] = {}
        self._changing = set()
        for candidate, content in zip(candidates, contents_of(candidates), strict=True):
            if isinstance(content, OSError):
                self._unreadable(candidate, content)
            elif not self._restated(candidate, content):
                self._changing.add(candidate.id)
                groups.setdefault(content, []).append(candidate)
        generation = self._writer.commit_read.generation
        same = self._snapshot.catalogue.with_content(groups, generation)
        unseen = [item for item in groups.items() if not self._copied(*item, same.get(item[0], []))]
        while unseen:
            unseen = self._describe(unseen)

    def _look(self, path: Path, home: Home | None, known: Entry | None) -> Candidate | None:
        """Tell from size and times alone whether a photo is known: then there is no candidate."""
        try:
            if home is None:  # It does not exist, and nothing beside it is known.
                raise FileNotFoundError
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is not a regular file")
        except FileNotFoundError:
            self.missing.add(path_to_bytes(path))
            self._putting.step()
            return None
        except OSError as error:
            self._unreadable(Candidate(-1, home or (0, b""), path, known, (-1, -1, -1)), error)
            return None
        same = known is not None and known.stamp == stamp_of(found) and not self._check_content
        if same and known is not None and not self._to_retry(known):
            self._known(known, path)
            return None
        if self._may_read is not None and not self._may_read(path, found):
            self._putting.step()
            return None
        # Numbered here, so that ids do not depend on the order in which descriptors arrive.
        number = self._writer.new_id() if known is None else known.id
        return Candidate(number, home, path, known, stamp_of(found))

    def _to_retry(self, known: Entry) -> bool:
        return known.row is None and (self._retry_failed or decoder_came(known.reason or ""))

    def _restated(self, candidate: Candidate, content: bytes) -> bool:
        """Note only the new times of a file that was written again with the same content."""
        known = candidate.known
        if known is None or known.sha256 != content or self._to_retry(known):
            return False
        if known.stamp != candidate.stamp:
            size, mtime_ns, ctime_ns = candidate.stamp
            known = known._replace(size=size, mtime_ns=mtime_ns, ctime_ns=ctime_ns)
            self._writer.put(known)
        self._known(known, candidate.file)
        return True

    def _copied(self, content: bytes, group: list[Candidate], same: Sequence[Entry]) -> bool:
        """Let photos be those that the index has with the same bytes, moved, or copies of one."""
        same = [entry for entry in same if entry.id not in self._changing]
        while group and self._moving and (left := self._left(same, group[0].file)) is not None:
            same[left] = self._moved(same[left], group.pop(0))
        if not group or not same:
            return not group
        if (same[0].row or 0) >= len(self._vectors):  # Of this very call.
            self._vectors = self._writer.vectors()
        ((original, descriptor, wrong),) = self._snapshot.checked(same[:1], self._vectors)
        if wrong or descriptor is None:
            return False  # Damaged: described anew.
        text = self._roots.text(original.root, original.path)
        for candidate in group:
            entry = candidate.entry(content).with_features_of(original)
            self._described(candidate, entry, descriptor, text)
        return True

    def _left(self, same: Sequence[Entry], file: Path) -> int | None:
        """Which of some photos is not where it was, or there by a link to a file that is given."""
        for position, entry in enumerate(same):
            path = Path(self._roots.text(entry.root, entry.path))
            if path.is_absolute() and (
                is_gone(path)
                or (path.is_symlink() and not file.is_symlink() and path.samefile(file))
            ):
                return position
        return None

    def _moved(self, entry: Entry, candidate: Candidate) -> Entry:
        """Keep a photo at its new path, instead of what was known there."""
        (root, path), (size, mtime_ns, ctime_ns) = candidate.home, candidate.stamp
        moved = entry._replace(
            root=root, path=path, size=size, mtime_ns=mtime_ns, ctime_ns=ctime_ns
        )
        self._writer.put(moved)
        if candidate.known is not None:
            self._writer.remove(candidate.id)
        old, new = (self._roots.text(each.root, each.path) for each in (entry, moved))
        self.report.moved.append((old, new))
        self._known(moved, candidate.file)
        return moved

    def _describe(
        self, groups: list[tuple[bytes, list[Candidate]]]
    ) -> list[tuple[bytes, list[Candidate]]]:
        """Describe photos, those with the same bytes once.

        Returns:
            Those that still wait because the one that stood for them has changed meanwhile.
        """
        again = []
        firsts = [group[0].file for _, group in groups]
        dimensions = self._snapshot.commit.extraction.dimensions
        for position, read, result in describe_files(self._extractor(), firsts, dimensions):
            content, group = groups[position]
            if read != content and len(group) > 1:
                again.append((content, group[1:]))
                group = group[:1]
            if isinstance(result, str):
                self._failed(group, read, result)
                continue
            for candidate in group:
                same = "" if candidate is group[0] else str(group[0].file)
                self._described(candidate, candidate.entry(read or content), result, same)
        return again

    def _described(
        self, candidate: Candidate, entry: Entry, descriptor: Descriptor, same: str
    ) -> None:
        """A photo has its descriptor, perhaps as a copy of another."""
        entry = entry.with_facts(facts_of(candidate.file))
        is_new = candidate.known is None or candidate.known.row is None
        report = self.report.added if is_new else self.report.changed
        report.append(self._roots.text(entry.root, entry.path))
        if same:
            self.report.duplicates.append((str(candidate.file), same))
        self._putting.keep(Outcome(entry, candidate.file, descriptor))

    def _failed(self, group: list[Candidate], content: bytes | None, reason: str) -> None:
        for candidate in group:
            if content is None:  # It could not even be read.
                self._unreadable(candidate, OSError(reason.removeprefix(f"{candidate.file}: ")))
                continue
            self._writer.put(candidate.entry(content).failed(reason))
            self.report.failed.append((str(candidate.file), reason))
            _log.info("skipped %s", reason)
            self._putting.step()
            self._putting.commit_if_due()

    def _known(self, entry: Entry, file: Path) -> None:
        if entry.row is None:
            self.report.still_failed.append((str(file), entry.reason or ""))
        else:
            self.report.unchanged.append(str(file))
            if self._putting.keeps_features and entry.features_at is None and entry.sha256:
                self._putting.keep(Outcome(entry, file))
                return
        self._putting.step()

    def _unreadable(self, candidate: Candidate, error: OSError) -> None:
        """A file that cannot be read, perhaps for a while: what the index knows of it stays."""
        reason = f"{candidate.file}: cannot be read: {error.strerror or error}"
        if candidate.known is None:
            number = self._writer.new_id() if candidate.id < 0 else candidate.id
            self._writer.put(Entry(number, *candidate.home).failed(reason))
        self.report.failed.append((str(candidate.file), reason))
        self._putting.step()
