"""Describing an index anew, with another model: beside what it answers from, until one switch."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from solar.errors import IndexDamaged, UsageError
from solar.extraction import Extraction, Extractor
from solar.index._adding import Addition
from solar.index._entries import Entry, path_to_text
from solar.index._lock import WriterLock
from solar.index._maintenance import Copying, make_catalogue, next_number, switch
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.catalogue import Catalogue
from solar.index.results import AddReport
from solar.typing import Progress

_WAITS = "not described yet"
_NAME = re.compile(r"renewal-(\d{6,12})\.db")
_PHOTOS_PER_COMMIT = 4096


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
        place = path_to_text(old.roots.places[root])
        raise UsageError(
            f"its photos in {place} are out of reach: mount that drive, or say where it is with "
            f"`solar index --to {old.folder} --moved {place}=NEW`",
            old.folder,
        )
    file = _begun(old, extractor.extraction)
    with Writer(file, lock) as writer:
        _match(old, _read(old.folder, file), writer)
        writer.commit()
        addition = Addition(
            _read(old.folder, file),
            writer,
            old.roots,
            lambda: extractor,
            None,
            progress=progress,
        )
        entries = old.catalogue.all(old.commit.generation)
        addition.run([Path(old.text(entry)) for entry in entries if old.roots.places[entry.root]])
        _finish(old, _read(old.folder, file), writer)
    switch(old, lock, file)
    return addition.report


def _begun(old: Snapshot, extraction: Extraction) -> Path:
    """The catalogue of a renewal that was begun with the same extraction, or of a new one."""
    for file in sorted(old.folder.iterdir()):
        if not _NAME.fullmatch(file.name):
            continue
        with contextlib.suppress(IndexDamaged):
            if not _read(old.folder, file).commit.extraction.differences(extraction):
                return file
        file.unlink()
    number = next_number(old.folder)
    file = old.folder / f"renewal-{number:06d}.db"
    commit = replace(old.commit, extraction=extraction, files=number, versions=0, rows=0)
    commit = replace(commit, features_bytes=0, photos=0, failed=0, digest=0)
    partial = file.with_suffix(".partial")
    make_catalogue(partial, commit)
    partial.replace(file)
    return file


def _read(folder: Path, file: Path) -> Snapshot:
    return Snapshot(folder, Catalogue(file), None)


def _match(old: Snapshot, new: Snapshot, writer: Writer) -> None:
    """Let the renewal hold the photos of the index, and no others."""
    for known, entry in _paired(old, new):
        if known is None:
            writer.remove(entry.id)  # type: ignore[union-attr]
        elif entry is None or entry[:3] != known[:3]:
            writer.put(Entry(*known[:3], reason=_WAITS))
        if writer.pending >= _PHOTOS_PER_COMMIT:
            writer.commit()
    writer.put_roots(old.roots.stored(old.folder))


def _finish(old: Snapshot, new: Snapshot, writer: Writer) -> None:
    """Take features over; say which photos could not be described."""
    copying = Copying(old, writer)
    for known, entry in _paired(old, new):
        if known is None or entry is None:
            continue
        if entry.reason == _WAITS:
            place = old.text(known)
            safe = place.encode("utf-8", "backslashreplace").decode()
            writer.put(entry._replace(reason=f"{safe}: it could not be described anew: it is gone"))
        elif known.features_at is not None and known.sha256 == entry.sha256:
            copying.put_with_features_of(entry, known)
        if writer.pending >= _PHOTOS_PER_COMMIT:
            writer.commit()
    writer.follow(old.commit)
    writer.commit()


def _paired(old: Snapshot, new: Snapshot) -> Iterator[tuple[Entry | None, Entry | None]]:
    """The photos of two snapshots by id, None where one of them lacks one."""
    theirs = new.catalogue.all(new.commit.generation)
    other = next(theirs, None)
    for entry in old.catalogue.all(old.commit.generation):
        while other is not None and other.id < entry.id:
            yield None, other
            other = next(theirs, None)
        if other is not None and other.id == entry.id:
            yield entry, other
            other = next(theirs, None)
        else:
            yield entry, None
    while other is not None:
        yield None, other
        other = next(theirs, None)
