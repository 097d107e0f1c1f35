"""Photos out of archives that anyone may have made: nowhere else, and no more than expected."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from solar.errors import SolarError
from solar.files import cut, require_file, write_atomically
from solar.photos import SUFFIXES

_MAX_UNPACKED = 16 * 2**30  # bytes; one that unpacks to more is not what was asked for
_MAX_MEMBERS = 200_000
_MAX_HEADER = 1 << 20  # of a member's long name and the like, which are read at once
_ID = re.compile("[0-9a-f]{8,64}")


class _Joined:
    """Files read one after the other, as if they were one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._blocks = self._read(paths)
        self._size = 0

    def read(self, size: int) -> bytes:
        """Some of what is left; empty at the end."""
        self._size = size
        return next(self._blocks, b"")

    def _read(self, paths: Sequence[Path]) -> Iterator[bytes]:
        for path in paths:
            with path.open("rb") as file:
                while block := file.read(self._size):
                    yield block


class _Bounded(gzip.GzipFile):
    """What an archive unpacks to, refused where it would take memory or days."""

    most = _MAX_UNPACKED

    def read(self, size: int | None = -1) -> bytes:
        """As asked for, within limits.

        Raises:
            tarfile.ReadError: too much at once, or in all.
        """
        if size is None or not 0 <= size <= _MAX_HEADER or self.tell() > self.most:
            raise tarfile.ReadError("it unpacks to far more than it should")
        return super().read(size)


def unpack(
    archive: Path | Sequence[Path], folder: Path, layout: str = "flat", scale: int = 1
) -> None:
    """Unpack the photos of a gzipped tar archive.

    Only regular files with the name of a photo are written, below the folder whatever theirs is;
    a photo that is there already is left alone.

    Args:
        archive: or its parts, in order.
        folder: made if missing.
        layout: where a photo goes: "flat" under its last name, "tree" under its path, "ids", whose
            names have no suffix, as SfM-120k has them: `…ccbbaa` is `aa/bb/cc/…ccbbaa`.
        scale: of the limits, which are meant for a few thousand photos.

    Raises:
        SolarError: the archive is damaged, or far larger than it should be.
    """
    parts = [archive] if isinstance(archive, Path) else archive
    name, most = parts[0], scale * _MAX_UNPACKED
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = 0
    try:
        for part in parts:
            require_file(part, most)
        with (
            _Bounded(fileobj=cast("IO[bytes]", _Joined(parts))) as unzipped,
            tarfile.TarFile(fileobj=unzipped) as tar,
        ):
            unzipped.most = most
            for count, member in enumerate(tar):
                tar.members.clear()  # type: ignore[attr-defined] # it would keep all of them
                if count > scale * _MAX_MEMBERS:
                    raise SolarError(f"{name}: holds more than {scale * _MAX_MEMBERS} files")
                unpacked += member.size
                if unpacked > most:
                    raise SolarError(f"{name}: unpacks to more than {most >> 30} GiB")
                place = _LAYOUTS[layout](PurePosixPath(member.name.replace("\\", "/")))
                content = tar.extractfile(member) if member.isfile() and place else None
                if content is not None and not (target := folder / str(place)).exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with write_atomically(target) as file:
                        shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError) as error:
        raise SolarError(
            f"{name}: damaged ({cut(error)}): delete it and run this command again"
        ) from error


def _flat(path: PurePosixPath) -> str | None:
    return path.name if Path(path.name).suffix.lower() in SUFFIXES else None


def _tree(path: PurePosixPath) -> str | None:
    parts = [part for part in path.parts if part not in ("/", "..") and ":" not in part]
    return "/".join(parts) if _flat(path) else None


def _ids(path: PurePosixPath) -> str | None:
    name = path.name
    return f"{name[-2:]}/{name[-4:-2]}/{name[-6:-4]}/{name}" if _ID.fullmatch(name) else None


_LAYOUTS: dict[str, Callable[[PurePosixPath], Any]] = {"flat": _flat, "tree": _tree, "ids": _ids}
