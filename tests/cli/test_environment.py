"""What the environment says: SOLAR_MODEL, SOLAR_DEVICE, a shell that completes, `logging`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from solar.index import Index
from tests.cli.runner import solar, succeed
from tests.scenes import album


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    album(folder / "photos", 2, (64, 48))
    return folder


def test_the_model_of_a_new_index(
    home: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLAR_MODEL", str(model_folder))
    succeed("index", "photos", "--to", "new.index", "--no-local", folder=home)
    assert Path(Index.open(home / "new.index").extraction.model) == model_folder
    monkeypatch.setenv("SOLAR_MODEL", "solar-r18")
    succeed("index", "photos", "--to", "new.index", folder=home)  # keeps its own
    assert Path(Index.open(home / "new.index").extraction.model) == model_folder
    monkeypatch.setenv("SOLAR_MODEL", "")
    succeed("describe", "photos", "--to", "d.npz", "--scales", "1", folder=home)


@pytest.mark.parametrize("command", ["describe", "index"])
def test_a_model_or_device_that_is_not_there(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "none.npz" if command == "describe" else "none.index"
    monkeypatch.setenv("SOLAR_MODEL", "no-such-model")
    done = solar(command, "photos", "--to", to, folder=home)
    assert done.returncode != 0 and "no-such-model" in done.stderr
    given = solar(command, "photos", "--to", to, "--model", "another", folder=home)
    assert given.returncode != 0 and "another" in given.stderr
    monkeypatch.setenv("SOLAR_MODEL", "solar-r18")
    monkeypatch.setenv("SOLAR_DEVICE", "abacus")
    done = solar(command, "photos", "--to", to, folder=home)
    assert done.returncode == 2 and "abacus" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_shell_gets_its_script(shell: str, home: Path) -> None:
    script = succeed("completion", shell, folder=home)
    assert "_SOLAR_COMPLETE" in script
    if shell == "bash":
        assert subprocess.run(["/bin/bash", "-n", "-c", script]).returncode == 0


def test_a_shell_that_is_not_known(home: Path) -> None:
    done = solar("completion", "abacus", folder=home)
    assert done.returncode == 2 and "shell 'abacus': use bash, zsh, fish" in done.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [("solar sea", "search"), ("solar search --rer", "--rerank"), ("solar whiten fo", "fold")],
)
def test_what_may_come_next(line: str, expected: str, home: Path) -> None:
    words = {"_SOLAR_COMPLETE": "complete_bash", "COMP_WORDS": line}
    environment = os.environ | words | {"COMP_CWORD": str(line.count(" "))}
    command = [sys.executable, "-m", "solar"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
    assert expected in done.stdout.splitlines(), done.stderr


SAY = """
import logging, sys
if sys.argv[1] == "told":
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
import solar
with solar.Index.create(sys.argv[2], local=None) as index:
    index.add("photos")
"""


@pytest.mark.parametrize("mode", ["silent", "told"])
def test_a_program_hears_what_it_asks_for(mode: str, home: Path) -> None:
    command = [sys.executable, "-c", SAY, mode, f"{mode}.index"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout
    if mode == "silent":
        assert not done.stderr
    else:
        assert "solar.index._writer" in done.stderr and "2 photos" in done.stderr
        assert "engine openvino" in done.stderr
