"""Photos below folders, by name; and what was left out, so that a caller can say so."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

from solar.errors import PhotoError, UsageError
from solar.photos._words import counted

_USUAL = (
    ".jpg .jpeg .jpe .jfif .mpo .png .webp .tif .tiff .bmp .gif .heic .heif .hif .avif "
    ".ppm .pgm .pbm .pnm .jp2 .j2k .jpx"
)
_WITH = {  # an importable module, how to install it, the suffixes that it is needed for
    "rawpy": (
        "rawpy",
        ".3fr .arw .cr2 .cr3 .dng .erf .iiq .mef .mrw .nef .nrw .orf .pef .raf .raw .rw2 .srw",
    ),
    "pillow_jxl": ("pillow-jxl-plugin", ".jxl"),
}
SUFFIXES = frozenset(_USUAL.split()).union(
    *(suffixes.split() for module, (_, suffixes) in _WITH.items() if find_spec(module))
)
"""The file names, in lower case, that are taken for photos here: camera RAW and JPEG XL only where
a decoder of them is installed."""

EXCLUDED = (
    *(".*", "@eaDir", "@__thumb", "@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot"),
    *("$RECYCLE.BIN", "RECYCLER", "System Volume Information", "__MACOSX"),
    *("Thumbs", "*.lrdata", "*.lrprev", "*.cocatalogdb"),
)
"""Names of files and folders that are left out unless a caller says otherwise: hidden ones, bins,
and the thumbnails and previews that storage systems, Lightroom and Capture One keep."""


@dataclass(frozen=True)
class Found:
    """What there is below some folders.

    Attributes:
        photos: sorted paths that start with a root.
        linked: of these, links, and photos in folders that were entered by a link.
        unreadable: one error for each folder that could not be listed; its photos are missing.
        excluded: by pattern, how many files and folders it left out.
        other: by suffix in lower case, how many files are no photos by their name.
        repeated: how many links lead to a folder that was looked through already.
    """

    photos: list[Path]
    linked: list[Path]
    unreadable: list[PhotoError]
    excluded: Counter[str]
    other: Counter[str]
    repeated: int

    def notes(self) -> list[str]:
        """What was not taken, in lines for a person; hidden files go without saying."""
        lines = [str(error) for error in self.unreadable]
        excluded = Counter({name: n for name, n in self.excluded.items() if name != ".*"})
        if excluded:
            lines.append(f"left out by name: {counted(excluded)}")
        if self.other:
            lines.append(f"passed over by suffix: {counted(self.other)}")
        for install, suffixes in _WITH.values():
            missing = self.other.keys() & (set(suffixes.split()) - SUFFIXES)
            if missing:
                lines.append(f"to read {', '.join(sorted(missing))}: pip install {install}")
        if self.repeated:
            lines.append(f"links to folders that were looked through already: {self.repeated:,}")
        return lines


def find_photos(root: str | Path) -> list[Path]:
    """List the photos below a folder, by name; `look_for_photos` also says what is missing.

    Args:
        root: a folder, or one photo of any name.

    Returns:
        Sorted paths that start with root; [root] for a file.

    Raises:
        UsageError: root does not exist.
        PhotoError: root cannot be listed.
    """
    return look_for_photos([root]).photos


def look_for_photos(roots: Iterable[str | Path], exclude: Sequence[str] = EXCLUDED) -> Found:
    """Look for photos below folders, by name.

    Linked folders are entered, but every folder is looked through once, however many links lead
    to it: under its own path where that lies below a root.

    Args:
        roots: folders, or photos of any name.
        exclude: patterns of names of files and folders to leave out below the roots, as in a
            shell; one with a slash is for the path below its root. Case does not count.

    Raises:
        UsageError: a root does not exist.
        PhotoError: a root cannot be listed.
    """
    photos: set[Path] = set()
    found = Found([], [], [], Counter(), Counter(), 0)
    folders: deque[tuple[Path, Path, bool]] = deque()  # the root of each; whether by a link
    links: deque[tuple[Path, Path, bool]] = deque()
    for root in map(Path, roots):
        folders.append((root, root, False)) if _is_folder(root) else photos.add(root)
    seen: set[object] = set()
    repeated = 0
    while folders or links:
        folder, root, linked = (folders or links).popleft()
        try:
            if (identity := _identity(folder)) in seen:
                repeated += folder.is_symlink()
                continue
            seen.add(identity)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            refusal = _refusal(folder, error)
            if folder == root:
                raise refusal from error
            found.unreadable.append(refusal)
            continue
        for entry in _kept(entries, folder.relative_to(root).as_posix(), exclude, found.excluded):
            path = folder / entry.name
            link = linked or _answers(entry.is_symlink)
            if _answers(entry.is_dir):
                (links if _answers(entry.is_symlink) else folders).append((path, root, link))
            elif (suffix := path.suffix.lower()) in SUFFIXES:
                photos.add(path)
                found.linked.extend([path] * link)
            else:
                found.other[suffix] += 1
    unreadable = sorted(found.unreadable, key=str)
    linked_photos = sorted(found.linked)
    return Found(sorted(photos), linked_photos, unreadable, found.excluded, found.other, repeated)


def left_out_by(path: str, exclude: Sequence[str]) -> str | None:
    """The pattern that leaves out a file below a root, or a folder that it is in; None for none.

    Args:
        path: below the root, with forward slashes.
        exclude: see `look_for_photos`.
    """
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        folder = "/".join(parts[:end])
        if (pattern := _pattern(folder, parts[end - 1], exclude)) is not None:
            return pattern
    return None


def _pattern(path: str, name: str, exclude: Sequence[str]) -> str | None:
    path, name = path.lower(), name.lower()
    for pattern in exclude:
        lower = pattern.lower().rstrip("/")
        if fnmatchcase(path if "/" in lower else name, lower):
            return pattern
    return None


def _kept(
    entries: Iterable[os.DirEntry[str]], below: str, exclude: Sequence[str], left: Counter[str]
) -> Iterator[os.DirEntry[str]]:
    """Entries of the folder `below` its root that no pattern leaves out; counts the others."""
    for entry in entries:
        path = f"{below}/{entry.name}".removeprefix("./")
        pattern = _pattern(path, entry.name, exclude)
        if pattern is None:
            yield entry
        else:
            left[pattern] += 1


def _is_folder(root: Path) -> bool:
    try:
        if not root.is_dir() and not root.exists():
            raise UsageError("no such file or folder", root)
        return root.is_dir()
    except OSError as error:
        raise _refusal(root, error) from error


def _identity(folder: Path) -> object:
    """The same for every path that leads to a folder."""
    status = folder.stat()
    return (status.st_dev, status.st_ino) if status.st_ino else folder.resolve()


def _answers(question: Callable[[], bool]) -> bool:
    """Whether an entry is something; False where it cannot be told, as for a link to itself."""
    try:
        return question()
    except OSError:
        return False


def _refusal(folder: Path, error: OSError) -> PhotoError:
    reason = f"cannot list this folder ({error.strerror}): make it readable or move it away"
    return PhotoError(reason, folder)
