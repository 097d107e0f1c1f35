"""What commands may write over, and what they say where they may not."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from solar.errors import SolarError, UsageError
from solar.files import claim_output, write_atomically
from solar.files.outputs import MARK


def test_a_free_name_is_given(tmp_path: Path) -> None:
    assert claim_output(tmp_path / "new.png", suffixes=(".png", ".jpg")) == tmp_path / "new.png"
    assert claim_output(tmp_path / "NEW.PNG", suffixes=(".png",)).name == "NEW.PNG"
    assert list(tmp_path.iterdir()) == []


def test_inputs_are_never_replaced_whatever_they_are_called(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(MARK)
    (tmp_path / "link.png").symlink_to("photo.png")
    (tmp_path / "hard.png").hardlink_to(photo)
    (tmp_path / "sub").mkdir()
    names = [
        photo,
        tmp_path / "link.png",
        tmp_path / "hard.png",
        tmp_path / "sub" / ".." / "photo.png",
    ]
    for name in names:
        for overwrite in (False, True):
            with pytest.raises(UsageError, match="is what this command reads"):
                claim_output(name, inputs=["gone.png", photo], overwrite=overwrite)
    with pytest.raises(UsageError, match="is what this command reads"):
        claim_output(photo, inputs=[tmp_path / "link.png"], overwrite=True)


def test_a_foreign_file_stays_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"somebody's")
    with pytest.raises(UsageError, match=r"a\.png: is there already: .*--overwrite"):
        claim_output(path)
    claim_output(path, overwrite=True)
    assert path.read_bytes() == b"somebody's"
    path.write_bytes(b"head" + MARK)
    claim_output(path)
    with pytest.raises(UsageError, match="is there already"):
        claim_output(path, made_by=lambda found: found.stat().st_size > 100)
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "dangling.png").symlink_to("gone.png")
    for name in ("link.png", "dangling.png"):
        with pytest.raises(UsageError, match="is there already"):
            claim_output(tmp_path / name)


def test_what_cannot_be_written_is_refused_by_the_name_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    cases = {
        "a.gif": "must end in .png or .jpg",
        "missing/x.png": "there is no folder .*missing: make it first",
        "folder.png": "is a folder",
        "pipe.png": "no regular file",
        "nul\0.png": "cannot be written",
        "n" * 300 + ".png": "cannot be written",
    }
    for name, reason in cases.items():
        with pytest.raises(UsageError, match=reason) as caught:
            claim_output(tmp_path / name, suffixes=(".png", ".jpg"), overwrite=True)
        assert str(caught.value).isprintable() and "partial" not in str(caught.value)
    with pytest.raises(UsageError, match="no regular file"):
        claim_output("/dev/null", overwrite=True)


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(UsageError, match="cannot be written"):
        claim_output(tmp_path / "a.png")


def test_a_failed_write_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    with (
        pytest.raises(SolarError, match=r"a\.npz: cannot be written \(No space"),
        write_atomically(path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    reason = r"missing/a\.npz: cannot be written \(No such file"
    with (
        pytest.raises(SolarError, match=reason),
        write_atomically(tmp_path / "missing" / "a.npz"),
    ):
        pass
    with pytest.raises(FileNotFoundError), write_atomically(path):
        (tmp_path / "other").read_bytes()  # another file's trouble keeps its own name
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".npz")
    with write_atomically(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys, numpy as np\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "from solar.errors import SolarError\n"
        "from solar.files import write_atomically\n"
        "try:\n"
        "    with write_atomically('a.npz') as file: np.savez(file, a=np.zeros(9000))\n"
        "except SolarError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "a.npz: cannot be written (File too large)\n", done.stderr
    assert not done.stderr and list(tmp_path.iterdir()) == []
