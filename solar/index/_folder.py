"""An index folder as a whole: its files, making and cleaning it, what it holds."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path

from solar.errors import IndexFolderError
from solar.files.atomic import sync_folder
from solar.index._entries import Commit, path_to_text
from solar.index._lock import LOCK_NAME, WriterLock, writer_lock
from solar.index._numbered import catalogue_file, features_file, newest
from solar.index._snapshot import Snapshot
from solar.index._sqlite import SCHEMA, journal_of, open_writing, plain_errors
from solar.index._writer import Writer
from solar.index.catalogue import roots_sum
from solar.index.results import IndexInfo
from solar.index.vectors import Server, discard, kind_named

PARTIAL = "catalogue.partial"
"""A catalogue in the making: compaction's, or what a killed `create` left."""

_VERSION_BYTES = 250  # About, of a photo in the catalogue.
_DATA = (
    *("descriptors", "float16", "sq8", "lengths", "trained", "lists", "milvus"),
    *("features", "renewal"),
)
_OURS = re.compile(
    rf"(catalogue|{'|'.join(_DATA)})-(\d{{6,12}})(-\d{{12}})?\.(db|bin|json)(-journal)?"
)


def make_folder(folder: Path, commit: Commit, server: Server | None = None) -> None:
    """Make an empty index.

    Args:
        folder: to make.
        commit: its first.
        server: where a kind of vectors that needs one shall keep them.

    Raises:
        IndexFolderError: the folder holds something, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with writer_lock(folder):
            refuse_occupied(folder)
            make_catalogue(folder / PARTIAL, commit)
            kind_named(commit.kind).place(folder, commit.files, server)
            (folder / PARTIAL).replace(catalogue_file(folder, commit.files))
            sync_folder(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise IndexFolderError(f"cannot be written: {error}", folder) from error


def refuse_occupied(folder: Path) -> None:
    """Refuse to make an index where something is, unless an interrupted call left it.

    Raises:
        IndexFolderError: the folder exists and is not empty.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise IndexFolderError("is a file: an index needs a folder of its own", folder)
    for file in folder.iterdir():
        if _OURS.fullmatch(file.name):
            raise IndexFolderError("is an index already: open it, or choose another name", folder)
        if file.name not in (LOCK_NAME, PARTIAL, f"{PARTIAL}-journal"):
            raise IndexFolderError(
                f"holds {file.name}: an index needs a new or empty folder", folder
            )


def make_catalogue(file: Path, commit: Commit) -> None:
    """Make a catalogue that holds no photos, instead of any other."""
    with plain_errors(file, writing=True):
        for old in (file, journal_of(file)):
            old.unlink(missing_ok=True)
        with contextlib.closing(open_writing(file, "rwc")) as connection:
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute(
                "INSERT INTO state VALUES (?)", (replace(commit, roots=roots_sum([])).to_text(),)
            )


def remove_leftovers(snapshot: Snapshot, lock: WriterLock) -> None:
    """Delete what killed writers and compaction left behind; a renewal goes on another time.

    Raises:
        IndexFolderError: another writes, or nothing can be written.
    """
    folder = snapshot.folder
    names = {file.name: _OURS.fullmatch(file.name) for file in folder.iterdir()}
    data = {snapshot.commit.files}
    data |= {int(each[2]) for each in names.values() if each and each[1] == "renewal"}
    kept = dict.fromkeys(_DATA, data)
    kept["catalogue"] = {newest(folder)[0]}
    left = [
        name
        for name, found in names.items()
        if (found and int(found[2]) not in kept[found[1]]) or ".partial" in name
    ]
    if left:
        with Writer(snapshot.catalogue.file, lock) as writer, writer.exclusive():
            for name in left:
                # Windows keeps what a reader has open: then a later writer deletes it.
                with contextlib.suppress(OSError):
                    discard(folder / name)


def next_number(folder: Path) -> int:
    """A number that no file of the folder has."""
    found = [_OURS.fullmatch(file.name) for file in folder.iterdir()]
    return max((int(each[2]) for each in found if each), default=0) + 1


def data_files(folder: Path, commit: Commit) -> list[Path]:
    """All files of vectors and features of a commit."""
    kind = kind_named(commit.kind)
    return [*kind.files(folder, commit.files), features_file(folder, commit.files)]


def summary(snapshot: Snapshot) -> IndexInfo:
    """What an index holds, and which photos could not be used and why."""
    commit, catalogue = snapshot.commit, snapshot.catalogue
    with_features, feature_bytes = catalogue.features(commit.generation)
    dead = commit.versions - commit.photos - commit.failed
    kind = kind_named(commit.kind)
    row_bytes = kind.row_bytes(commit.extraction.dimensions)
    server = kind.whereabouts(snapshot.folder, commit.files)
    remote = 0 if server is None else commit.rows * row_bytes
    unused = (commit.rows - commit.photos) * row_bytes
    files = [catalogue.file, *data_files(snapshot.folder, commit)]
    return IndexInfo(
        folder=snapshot.folder,
        extraction=commit.extraction,
        features=commit.features,
        kind=commit.kind,
        server=server,
        generation=commit.generation,
        photos=commit.photos,
        with_features=with_features,
        roots=[path_to_text(root) for root in snapshot.roots.folders.values() if root],
        failed=[
            (snapshot.text(entry), entry.reason or "")
            for entry in catalogue.failed(commit.generation)
        ],
        copies=snapshot.copies(),
        unfinished=commit.unfinished,
        size=remote + sum(file.stat().st_size for file in files if file.exists())
        if snapshot.far is None
        else snapshot.far.size,
        reclaimable=unused + commit.features_bytes - feature_bytes + dead * _VERSION_BYTES,
    )
