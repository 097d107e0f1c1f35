"""The README's snippets run as they stand, in order, in a folder with photos."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from solar.cli import COMMANDS
from tests.scenes import album, scene

README = Path(__file__).resolve().parents[1] / "README.md"


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    album(folder / "photos", 6, (320, 300))
    scene(2, (320, 300)).save(folder / "query.jpg", quality=95)
    return folder


@pytest.mark.slow
def test_the_python_snippets_run(folder: Path) -> None:
    found = snippets("python")
    assert len(found) >= 2
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(found)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.endswith("photos/02.png"), done.stdout


@pytest.mark.slow
def test_the_commands_run(folder: Path) -> None:
    lines = [line.split("#")[0] for block in snippets("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("solar ")]
    assert len(commands) >= 3
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in commands:
        words = [w.replace("my.index", "shell.index") for w in shlex.split(command)]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (folder / "result.html").stat().st_size > 1000


def test_every_command_of_the_table_exists() -> None:
    rows = re.findall(r"^\| (`solar .*?) \|", README.read_text(), re.M)
    named_ones = {word for row in rows for word in re.findall(r"`(?:solar )?(\w[\w-]*)", row)}
    assert named_ones == set(COMMANDS)
