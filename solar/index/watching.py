"""Watching folders: photos that come, change or go are noticed, and left alone until whole."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from solar.errors import PhotoError, SolarError, UsageError
from solar.photos import EXCLUDED, look_for_photos

QUIET = 2.0
"""Seconds for which a file must not have changed before it is read."""
SWEEP, REMOTE_SWEEP = 600.0, 30.0
"""Seconds between looks at all photos where the system tells of changes, and where it does not."""

_SHARE = 10  # of the time, at most one part goes into looking
_RETRY = 10.0  # seconds after which what failed is tried again
_TOLD = 500  # milliseconds at most until a stop is noticed
_OCTAL = re.compile(r"\\([0-7]{3})")  # as spaces are written there
_REMOTE = (
    *("9p", "afs", "ceph", "cifs", "drvfs", "fuse.", "glusterfs", "gpfs", "lustre", "ncpfs"),
    *("nfs", "ocfs2", "prl_fs", "smb", "vboxsf", "virtiofs", "vmhgfs"),
)
"""What kinds of file systems begin with that other machines, or programs, may write to."""


class Settled:
    """Says of files whether they are whole: those that were changed a moment ago are not yet.

    Attributes:
        waiting: files that were left alone, and their sizes and times.
    """

    def __init__(self, quiet: float = QUIET) -> None:
        """Begin.

        Args:
            quiet: seconds for which a file must not have changed.
        """
        self.quiet = quiet
        self.waiting: dict[Path, tuple[int, int]] = {}
        self._before: dict[Path, tuple[int, int]] = {}

    def begin(self) -> None:
        """All files are looked at once more, `quiet` seconds later or more."""
        self._before, self.waiting = self.waiting, {}

    def __call__(self, path: Path, found: os.stat_result) -> bool:
        """Whether a file may be read: see `Index.add`."""
        stamp = found.st_size, found.st_mtime_ns
        fresh = abs(time.time() - found.st_mtime) < self.quiet
        if fresh or self._before.get(path, stamp) != stamp:
            self.waiting[path] = stamp
            return False
        return True


def watch(
    folders: Callable[[], Sequence[Path]],
    add: Callable[[Sequence[Path], Settled], object],
    *,
    stop: threading.Event,
    failed: Callable[[SolarError], object],
    exclude: Sequence[str] = (),
    sweep: float | None = None,
    settled: Settled | None = None,
) -> None:
    """Add photos as they come, until told to stop.

    Where the system tells of changes (watchfiles, extra `web`), that is at once; elsewhere, as on
    network drives, and where it fails to, all photos are looked at by size and time now and then.
    A folder that is away is left as it is until it is back.

    Args:
        folders: gives those to watch, or photos; asked again each time.
        add: called with those that are not as they were, at first with all; it adds what it is
            told to be whole.
        stop: ends this.
        failed: called where `add` fails; it is called again later.
        exclude: see `Index.add`.
        sweep: seconds between looks at all photos; None for `SWEEP`, or `REMOTE_SWEEP` where the
            system tells nothing.
        settled: what says which files are whole.
    """
    settled = settled or Settled()
    seen: dict[Path, bytes] = {}
    ear = _Ear()
    while not stop.is_set():
        now = folders()
        told = ear.listen(now)
        started = time.monotonic()
        marks = {folder: _mark(folder, exclude) for folder in now}
        took = time.monotonic() - started
        seen = {folder: mark for folder, mark in seen.items() if marks.get(folder)}
        other = [folder for folder, mark in marks.items() if mark and seen.get(folder) != mark]
        wait = max(_SHARE * took, sweep or (SWEEP if told else REMOTE_SWEEP))
        if other:
            settled.begin()
            try:
                add(other, settled)
            except SolarError as error:
                failed(error)
                stop.wait(_RETRY)
                continue
            held = {path for path in other if _holds(path, settled.waiting)}
            seen |= {folder: marks[folder] or b"" for folder in other if folder not in held}
            if held:
                stop.wait(max(settled.quiet, time.monotonic() - started))
                continue
        ear.wait(stop, wait)


def _holds(folder: Path, waiting: dict[Path, tuple[int, int]]) -> bool:
    """Whether any file of those that were left alone may be in a folder."""
    real = folder.resolve()
    return any(path in (folder, real) or real in path.parents for path in waiting)


def _mark(folder: Path, exclude: Sequence[str]) -> bytes | None:
    """What changes with each photo of a folder; None of one that is away."""
    mark = hashlib.blake2b(digest_size=16)
    try:
        for path in look_for_photos([folder], (*exclude, *EXCLUDED)).photos:
            try:
                found = path.stat()
            except OSError:
                continue
            text = f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\n"
            mark.update(text.encode("utf-8", "surrogateescape"))
    except (PhotoError, UsageError):
        return None
    return mark.digest()


class _Ear:
    """Hears of the system that something changed."""

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._changes: Iterator[object] | None = None
        self._stop = threading.Event()

    def listen(self, folders: Sequence[Path]) -> bool:
        """Listen to folders from now on; whether that works for all of them."""
        there = [folder for folder in folders if folder.exists()]
        local = [folder for folder in there if not is_remote(folder)]
        if local != self._folders or self._changes is None:
            self._folders, self._changes = local, None
            if local:
                self._begin()
        return self._changes is not None and len(local) == len(folders)

    def _begin(self) -> None:
        try:
            from watchfiles import watch as told
        except ImportError:
            return
        self._changes = told(
            *self._folders,
            watch_filter=None,  # marks say whether it was a photo
            stop_event=self._stop,
            rust_timeout=_TOLD,
            yield_on_timeout=True,
            ignore_permission_denied=True,
            debounce=_TOLD,
        )
        self._next()  # what happens from here on is heard

    def _next(self) -> bool:
        """Whether anything is heard within `_TOLD`; where it breaks, nothing is from now on."""
        try:
            return bool(self._changes and next(self._changes))
        except (OSError, StopIteration):  # a folder is gone, or there are more than it can watch
            self._changes = None
            return False

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Until something is heard, the time is up or all is to stop."""
        end = time.monotonic() + seconds
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            if self._changes is None:
                stop.wait(left)
            elif self._next():
                return
        self._changes = None  # a drive that was away and is back is heard again by a new one


def is_remote(folder: Path) -> bool:
    """Whether a folder lies where the system does not hear of what other machines write."""
    if sys.platform == "win32":
        import ctypes

        drive = folder.resolve().drive
        return drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == 4
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    return _kind_of(folder.resolve(), lines).startswith(_REMOTE)


def _kind_of(path: Path, mounts: Sequence[str]) -> str:
    """Of what kind the file system is that a path lies on.

    Args:
        path: absolute, without links.
        mounts: lines of /proc/self/mountinfo.
    """
    best, kind = -1, ""
    for line in mounts:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        depth = len(point.parts)
        if depth >= best and (point == path or point in path.parents):
            best, kind = depth, after.split()[0]
    return kind
