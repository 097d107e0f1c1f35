"""Writing an index anew, beside what it answers from.

Without what is gone, in another kind of vectors, or described by another model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from itertools import groupby, islice, repeat
from pathlib import Path

from solar.errors import IndexDamaged, IndexFolderError, UsageError
from solar.extraction import Extraction, Extractor
from solar.files.atomic import sync_folder
from solar.index._adding import Addition
from solar.index._entries import Commit, Descriptor, Entry, path_to_text
from solar.index._folder import PARTIAL, data_files, make_catalogue, next_number, remove_leftovers
from solar.index._lock import WriterLock
from solar.index._numbered import catalogue_file, newest
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.catalogue import Catalogue
from solar.index.results import AddReport
from solar.index.vectors import Server, kind_named
from solar.typing import Progress

_WAITS = "not described yet"
_AT_ONCE = 4096  # Photos.


def compact(
    snapshot: Snapshot,
    lock: WriterLock,
    kind: str | None = None,
    progress: Progress | None = None,
    server: Server | None = None,
) -> None:
    """Write an index anew without what was removed or replaced. The caller holds the lock.

    Ids and paths stay as they are. Readers keep the files that they have open.

    Args:
        snapshot: the last commit.
        lock: of the index.
        kind: of vectors, to put them into another; None for those of the index, of which scores
            stay as they are.
        progress: called with the number of photos copied, and of all.
        server: for a kind that needs one; None for that of the index.

    Raises:
        IndexDamaged: a descriptor or features do not match their checksum; nothing has changed.
        IndexFolderError: it could not be written; the index is as before.
    """
    old, folder = snapshot.commit, snapshot.folder
    converted = kind is not None and (kind != old.kind or server is not None)
    of_vectors = old.files, old.extraction.dimensions, old.rows
    if (
        old.versions == old.photos + old.failed
        and not converted
        and not kind_named(old.kind).scattered(folder, *of_vectors)
    ):
        return
    count, done = old.photos + old.failed, 0
    emptied = _emptied(old, folder)
    if kind is not None:
        emptied = replace(emptied, kind=kind, probes=0, candidates=0)
    make_catalogue(folder / PARTIAL, emptied)
    if server is not None:
        kind_named(emptied.kind).place(folder, emptied.files, server)
    with Writer(folder / PARTIAL, lock, lasting=False) as writer:
        features = _FeatureCopy(snapshot, writer)
        entries = snapshot.catalogue.all(old.generation)
        while part := list(islice(entries, _AT_ONCE)):
            for entry, descriptor, wrong in snapshot.checked(part):
                if wrong:
                    raise IndexDamaged(wrong, folder)
                kept = entry._replace(descriptor_sum=None) if converted else entry
                features.put(kept, entry, descriptor)
            writer.commit()
            done += len(part)
            if progress is not None:
                progress(done, count)
        writer.put_roots(snapshot.roots)
        writer.commit()
        writer.sync()
    _switch(snapshot, lock, folder / PARTIAL, progress)


def renew(
    old: Snapshot, lock: WriterLock, extractor: Extractor, progress: Progress | None
) -> AddReport:
    """Describe all photos of an index anew; ids stay. The caller holds the lock.

    An interrupted call goes on where it came to. Until it ends, the index answers as before.

    Args:
        old: the last commit.
        lock: of the index.
        extractor: another one.
        progress: called with the number of photos dealt with, and of all.

    Returns:
        What became of each photo; those that are gone can no longer be found.

    Raises:
        UsageError: a root is not there, so that its photos cannot be described.
        IndexFolderError: it cannot be written.
    """
    for root in old.roots.missing():
        folder = path_to_text(old.roots.folders[root])
        raise UsageError(
            f"its photos in {folder} are out of reach: mount that drive, or say where it is with "
            f"`solar index --to {old.folder} --moved {folder}=NEW`",
            old.folder,
        )
    file = _begun(old, extractor.extraction)
    with Writer(file, lock) as writer:
        _match(old, _read(file), writer)
        addition = Addition(
            _read(file),
            writer,
            old.roots,
            lambda: extractor,
            None,
            progress=progress,
        )
        entries = old.catalogue.all(old.commit.generation)
        addition.run(
            [Path(old.text(entry)) for entry in entries if old.roots.folders.get(entry.root)]
        )
        _finish(old, _read(file), writer)
    _switch(old, lock, file, progress)
    return addition.report


def _begun(old: Snapshot, extraction: Extraction) -> Path:
    """The catalogue of a renewal that was begun with the same extraction, or of a new one."""
    for file in sorted(old.folder.glob("renewal-*.db")):
        with contextlib.suppress(IndexDamaged):
            if not _read(file).commit.extraction.differences(extraction):
                return file
        file.unlink()
    commit = replace(_emptied(old.commit, old.folder), extraction=extraction)
    file = old.folder / f"renewal-{commit.files:06d}.db"
    make_catalogue(file.with_suffix(".partial"), commit)
    file.with_suffix(".partial").replace(file)
    return file


def _emptied(commit: Commit, folder: Path) -> Commit:
    """A commit of the same index without photos, in files of its own."""
    counts = dict.fromkeys(("versions", "rows", "features_bytes", "photos", "failed", "digest"), 0)
    return replace(commit, files=next_number(folder), **counts)  # type: ignore[arg-type]


def _read(file: Path) -> Snapshot:
    return Snapshot(file.parent, Catalogue(file), None)


def _match(old: Snapshot, new: Snapshot, writer: Writer) -> None:
    """Let the renewal hold the photos of the index, and no others."""
    for known, entry in _paired(old, new):
        if known is None:
            writer.remove(entry.id)  # type: ignore[union-attr]
        elif entry is None or entry[:3] != known[:3]:
            writer.put(Entry(*known[:3], reason=_WAITS))
        if writer.pending >= _AT_ONCE:
            writer.commit()
    writer.put_roots(old.roots)
    writer.commit()


def _finish(old: Snapshot, new: Snapshot, writer: Writer) -> None:
    """Take features over; say which photos could not be described."""
    features = _FeatureCopy(old, writer)
    for known, entry in _paired(old, new):
        if known is None or entry is None:
            continue
        if entry.reason == _WAITS:
            reason = f"{old.text(known)}: it could not be described anew: it is gone"
            writer.put(entry.failed(reason))
        elif known.features_at is not None and known.sha256 == entry.sha256:
            features.put(entry, known)
        if writer.pending >= _AT_ONCE:
            writer.commit()
    writer.follow(old.commit)
    writer.commit()


def _paired(old: Snapshot, new: Snapshot) -> Iterator[list[Entry | None]]:
    """The photos of two snapshots by id, None where one of them lacks one."""
    both = (
        zip(each.catalogue.all(each.commit.generation), repeat(side))
        for side, each in enumerate((old, new))
    )
    for _, found in groupby(merge(*both, key=_id), _id):
        pair: list[Entry | None] = [None, None]
        for entry, side in found:
            pair[side] = entry
        yield pair


def _id(found: tuple[Entry, int]) -> int:
    return found[0].id


class _FeatureCopy:
    """Takes features over from a snapshot, checked; photos that share them go on sharing them."""

    def __init__(self, snapshot: Snapshot, writer: Writer) -> None:
        self._snapshot = snapshot
        self._writer = writer
        self._stored: dict[int, Entry] = {}  # By where their features lay.

    def put(self, entry: Entry, other: Entry, descriptor: Descriptor | None = None) -> None:
        """Put a photo with the features that the snapshot has of one with the same bytes.

        Raises:
            IndexDamaged: they do not match their checksum.
        """
        if other.features_at is None:
            self._writer.put(entry, descriptor)
            return
        stored = self._stored.get(other.features_at)
        features = self._snapshot.feature_bytes(other) if stored is None else None
        put = self._writer.put(entry.with_features_of(stored), descriptor, features)
        self._stored[other.features_at] = put


def _switch(snapshot: Snapshot, lock: WriterLock, made: Path, progress: Progress | None) -> None:
    """Let a finished catalogue count from now on, and delete the old one's files.

    Raises:
        IndexFolderError: another has written meanwhile; nothing has changed.
    """
    folder, old = snapshot.folder, snapshot.catalogue.file
    commit = Catalogue(made).commit()
    dimensions = commit.extraction.dimensions
    of_vectors = commit.files, dimensions, commit.rows
    kind_named(commit.kind).arrange(folder, *of_vectors, progress, unseen=True)
    with Writer(old, lock) as writer, writer.exclusive():
        if writer.commit_read.generation != snapshot.commit.generation:
            raise IndexFolderError("was written by another meanwhile: run the same again", folder)
        for file in data_files(folder, commit):
            file.stat()
        made.replace(catalogue_file(folder, newest(folder)[0] + 1))
        sync_folder(folder)
        with contextlib.suppress(OSError):
            old.unlink()
    remove_leftovers(Snapshot.open(folder), lock)
