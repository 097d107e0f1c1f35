"""No command writes over a photo, or over any file that it did not make."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.runner import solar, succeed
from tests.scenes import album

COMMANDS = {  # by its name: the call, and a suffix that it writes
    "match": (["match", "photos/00.png", "photos/01.png", "--descriptor", "raw", "--to"], ".png"),
    "attend": (["attend", "photos/00.png", "--at", "9,9", "--model", "MODEL", "--to"], ".png"),
    "search": (["search", "i", "photos/00.png", "--html"], ".html"),
    "describe": (["describe", "photos", "--model", "MODEL", "--to"], ".npz"),
    "list": (["list", "i", "--to"], ".npz"),
    "whiten fit": (["whiten", "fit", "photos", "--model", "MODEL", "--to"], ".npz"),
}
TARGETS = (
    *("input", "another photo", "hard link", "link", "dangling link", "foreign file", "folder"),
    *("missing folder", "wrong suffix", "no suffix", "pipe"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """Photos, and an index of them."""
    folder = tmp_path_factory.mktemp("home")
    album(folder / "photos", 2)
    album(folder / "others", 1)
    succeed("index", "photos", "--to", "i", "--model", model_folder, folder=folder)
    return folder


def target(kind: str, home: Path, suffix: str) -> Path:
    """A place that must not be written, of some kind."""
    photo, path = home / "others" / "00.png", home / f"{kind.replace(' ', '-')}{suffix}"
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    makes: dict[str, Callable[[], object]] = {
        "hard link": lambda: path.hardlink_to(photo),
        "link": lambda: path.symlink_to(photo),
        "dangling link": lambda: path.symlink_to(home / "nothing"),
        "foreign file": lambda: path.write_bytes(b"somebody's"),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
    }
    makes.get(kind, lambda: None)()
    elsewhere = {
        "input": home / "photos" / "00.png",
        "another photo": photo,
        "missing folder": home / "missing" / path.name,
        "wrong suffix": path.with_suffix(".jpx"),
        "no suffix": path.with_suffix(""),
    }
    return elsewhere.get(kind, path)


def contents(home: Path) -> dict[str, str]:
    """What every file of the user's holds."""
    files = (path for path in home.rglob("*") if path.is_file() and "/i/" not in str(path))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_written_over(command: str, kind: str, home: Path, model_folder: Path) -> None:
    call, suffix = COMMANDS[command]
    path = target(kind, home, suffix)
    before = contents(home)
    done = solar(
        *(str(model_folder) if word == "MODEL" else word for word in call), path, folder=home
    )
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("solar: ") and done.stderr.count("\n") == 1
    assert path.name in done.stderr
    assert contents(home) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_what_solar_made_is_made_anew_and_overwrite_spares_inputs(
    command: str, home: Path, model_folder: Path, tmp_path: Path
) -> None:
    words, suffix = COMMANDS[command]
    call = [str(model_folder) if word == "MODEL" else word for word in words]
    for _ in range(2):
        done = solar(*call, tmp_path / f"made{suffix}", folder=home)
        assert done.returncode == 0, done.stderr
    before = contents(home)
    assert solar(*call, home / "photos" / "00.png", "--overwrite", folder=home).returncode == 2
    assert contents(home) == before
    foreign = tmp_path / f"foreign{suffix}"
    foreign.write_bytes(b"somebody's")
    assert solar(*call, foreign, "--overwrite", folder=home).returncode == 0
    assert foreign.read_bytes() != b"somebody's"
    if suffix == ".png":
        with Image.open(tmp_path / "made.png") as picture:
            assert picture.format == "PNG"
