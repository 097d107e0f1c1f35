"""An index folder as a whole: making, compacting and verifying it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from solar.errors import IndexFolderError, UsageError
from solar.files.atomic import sync_folder
from solar.index.datafile import MANIFEST_NAME, data_file, is_leftover, remove_leftovers
from solar.index.lock import LOCK_NAME, writer_lock
from solar.index.manifest import Manifest, Settings
from solar.index.records import RECORD, State, checksum, path_to_text
from solar.index.results import IndexInfo, LocalInfo
from solar.index.snapshot import KINDS, RECORDS, Snapshot, committed_bytes
from solar.index.writer import Writer

_ENTRIES_PER_FLUSH = 1024


def make_folder(folder: Path, settings: Settings) -> None:
    """Make an empty index.

    Raises:
        UsageError: a setting is out of range.
        IndexFolderError: the folder holds something, or cannot be written.
    """
    manifest = Manifest(settings)
    try:
        Manifest.from_bytes(manifest.to_bytes(), folder)
    except IndexFolderError as error:
        raise UsageError(str(error)) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with writer_lock(folder):
            refuse_occupied(folder)
            manifest.write(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise IndexFolderError(f"{folder}: cannot be written: {error}") from error


def refuse_occupied(folder: Path) -> None:
    """Refuse to make an index where something is, unless an interrupted call left it.

    Raises:
        IndexFolderError: the folder exists and is not empty.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise IndexFolderError(f"{folder} is a file: an index needs a folder of its own")
    for file in folder.iterdir():
        if file.name == MANIFEST_NAME:
            raise IndexFolderError(f"{folder} is an index already: open it, or choose another name")
        if file.name != LOCK_NAME and not is_leftover(file.name):
            raise IndexFolderError(
                f"{folder} holds {file.name}: an index needs a new or empty folder"
            )


def compact(snapshot: Snapshot) -> None:
    """Write an index anew without what was removed or replaced. The caller holds the lock.

    Ids, scores and paths stay as they are. Readers keep the files that they have open.

    Raises:
        IndexFolderError: it could not be written; the index is as before.
    """
    if len(snapshot.current) == len(snapshot.records):
        return
    old = snapshot.manifest
    empty = replace(old, generation=old.generation + 1, records=0, rows=0, text_bytes=0)
    with Writer(snapshot.folder, old, start=empty) as writer:
        for entry in snapshot.entries():
            writer.put(entry, snapshot.descriptor(entry))
            if writer.pending >= _ENTRIES_PER_FLUSH:
                writer.flush()
        writer.commit()
    remove_leftovers(snapshot.folder, KINDS, empty.generation)


def find_problems(folder: Path) -> list[str]:
    """Check every committed byte of an index folder against its checksums.

    Args:
        folder: of the index.

    Returns:
        One line for each damaged thing, naming the file or photo; empty if all is well.
    """
    try:
        snapshot = Snapshot.open(folder)
    except IndexFolderError as error:
        return [str(error)]
    file = data_file(folder, RECORDS, snapshot.manifest.generation)
    problems = []
    for position, record in enumerate(snapshot.records):
        texts = snapshot.texts(position)
        has_row = record["state"] == State.PHOTO
        descriptor = snapshot.descriptors[record["row"]] if has_row else None
        if checksum(record.tobytes(), texts, descriptor) != record["checksum"].item():
            path = path_to_text(texts[: record["path_length"]])
            problems.append(
                f"{file}: record {position}, of photo {path!r}, or its path or descriptor, is "
                "damaged: restore the folder from a copy, or make the index anew"
            )
    return problems


def summary(snapshot: Snapshot, local: LocalInfo | None) -> IndexInfo:
    """What an index holds, and which photos could not be used and why.

    Args:
        snapshot: of the index.
        local: of the features beside it.
    """
    manifest, records, current = snapshot.manifest, snapshot.records, snapshot.current
    failed = current[records["state"][current] == State.FAILED]
    photos = len(current) - len(failed)
    unused_rows, unused_records = manifest.rows - photos, len(records) - len(current)
    return IndexInfo(
        folder=snapshot.folder,
        settings=manifest.settings,
        photos=photos,
        failed=[
            (path_to_text(entry.path), entry.reason)
            for entry in map(snapshot.entry, failed.tolist())
        ],
        size=sum(committed_bytes(manifest).values()),
        reclaimable=unused_rows * manifest.settings.dimensions * 4
        + unused_records * RECORD.itemsize,
        local=local,
    )
