"""Data files of an index folder, which only grow: a commit is their committed lengths."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Protocol, TypeVar

from solar.errors import IndexFolderError
from solar.files.atomic import sync_folder

MANIFEST_NAME = "manifest.json"
_PARTIAL_NAME = re.compile(rf"\.{re.escape(MANIFEST_NAME)}\.[0-9a-f]+\.partial")


class _Manifest(Protocol):
    """The part of a manifest that names its data files."""

    @property
    def generation(self) -> int:
        """1 or more; compaction raises it."""
        ...


_M = TypeVar("_M", bound=_Manifest)
_T = TypeVar("_T")


def data_file(folder: Path, kind: str, generation: int) -> Path:
    """Where the data of one kind lie: their names follow from the manifest's generation."""
    return folder / f"{kind}-{generation:06d}.bin"


def open_commit(
    folder: Path, read: Callable[[Path], _M], build: Callable[[Path, _M], _T], way_out: str
) -> _T:
    """Open the last commit of a folder.

    Compaction may replace the files between the reading of the manifest and theirs: then the new
    manifest names new files, and these are opened.

    Args:
        folder: of the data files.
        read: the folder to its manifest.
        build: folder and manifest to what is opened.
        way_out: what to do when a file is missing.

    Raises:
        IndexFolderError: a file is missing or cannot be read.
    """
    gone = 0
    while True:
        manifest = read(folder)
        try:
            return build(folder, manifest)
        except FileNotFoundError as error:
            if manifest.generation == gone:
                raise IndexFolderError(f"{error.filename} is missing: {way_out}") from error
            gone = manifest.generation
        except OSError as error:
            raise IndexFolderError(f"{folder}: cannot be read: {error}") from error


def map_file(file: Path, length: int) -> mmap.mmap | bytes:
    """The committed bytes of a data file, memory-mapped.

    Raises:
        FileNotFoundError: there is no such file.
        IndexFolderError: it is shorter, or no plain file.
    """
    if length == 0:
        return b""  # Nothing can be mapped, and before the first commit there is no file.
    if not stat.S_ISREG(file.lstat().st_mode):
        raise IndexFolderError(f"{file} is not a regular file, as all in an index folder are")
    with file.open("rb") as opened:
        found = os.fstat(opened.fileno()).st_size
        if found < length:
            raise IndexFolderError(
                f"{file} has {found} bytes where the manifest says {length}: it was cut short; "
                "restore it from a copy, or make the index anew"
            )
        return mmap.mmap(opened.fileno(), length, access=mmap.ACCESS_READ)


def open_data(file: Path, length: int) -> FileIO:
    """Open a data file for writing after its committed length, without what lies beyond."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    opened = FileIO(os.open(file, flags, 0o666), "r+")
    # Windows refuses while a reader maps the file: then what lies beyond is written over.
    with contextlib.suppress(OSError):
        opened.truncate(length)
    return opened


def open_all(
    stack: contextlib.ExitStack, folder: Path, generation: int, lengths: Mapping[str, int]
) -> dict[str, FileIO]:
    """Open the data file of each kind after its committed length; the stack closes them."""
    files = {
        kind: stack.enter_context(open_data(data_file(folder, kind, generation), length))
        for kind, length in lengths.items()
    }
    sync_folder(folder)
    return files


@contextlib.contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    """Say what it means that a folder cannot be written.

    Raises:
        IndexFolderError: in the place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise IndexFolderError(
            f"{folder} could not be written ({error}): everything up to its last commit "
            "is safe; make room or repair the disk, and run the same again"
        ) from error


def write_at(file: FileIO, start: int, data: bytes) -> None:
    """Write all of some bytes, beginning at a place."""
    file.seek(start)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def is_leftover(name: str) -> bool:
    """Whether a file is one that a killed commit of the manifest left."""
    return _PARTIAL_NAME.fullmatch(name) is not None


def remove_leftovers(folder: Path, kinds: Collection[str], generation: int) -> None:
    """Delete what killed writers and compaction left behind; only for who holds the lock.

    Args:
        folder: of the data files and their manifest.
        kinds: of data files that it has.
        generation: of the last commit.
    """
    data_name = re.compile(rf"({'|'.join(kinds)})-(\d+)\.bin")
    for file in folder.iterdir():
        data = data_name.fullmatch(file.name)
        if is_leftover(file.name) or (data and int(data[2]) != generation):
            # Windows keeps what a reader has mapped: then a later writer deletes it.
            with contextlib.suppress(OSError):
                file.unlink()
