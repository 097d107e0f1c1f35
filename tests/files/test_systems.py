"""What Solar does on systems that these tests do not run on, as far as Linux can show it."""

from __future__ import annotations

import os
import runpy
import sys
import types
from pathlib import Path

import pytest

from solar.files import lock
from solar.files.atomic import sync_folder
from solar.files.stores import _of_address

fcntl = pytest.importorskip("fcntl", reason="here is Windows itself")


def test_a_lock_by_windows_own_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at: list[int] = []

    def locking(descriptor: int, mode: int, count: int) -> None:
        at.append(os.lseek(descriptor, 0, os.SEEK_CUR))
        assert (mode, count) == (2, 1)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises OSError, as Windows does

    windows = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        patch.setitem(sys.modules, "msvcrt", windows)
        patch.setitem(sys.modules, "fcntl", None)
        try_lock = runpy.run_path(str(lock.__file__))["try_lock"]
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert try_lock(first) and not try_lock(second)
    os.close(first)
    assert try_lock(second)
    os.close(second)
    assert min(at) >= 1000, "what is locked must not be what others read"


def test_a_folder_is_not_synced_where_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setattr(os, "name", "nt")
    sync_folder(missing)
    monkeypatch.setattr(os, "name", "posix")
    with pytest.raises(FileNotFoundError):
        sync_folder(missing)


def test_addresses_of_drives() -> None:
    assert _of_address("/C:/photos/2020", windows=True) == "C:/photos/2020"
    assert _of_address("/C:/photos", windows=False) == "/C:/photos"
    assert _of_address("//server/share", windows=True) == "//server/share"
