"""Commands load when they are called; the list of them says what they do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from solar.cli import COMMANDS
from tests.cli.runner import solar, succeed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_loads_and_explains_itself(command: str, tmp_path: Path) -> None:
    text = " ".join(succeed(command, "--help", folder=tmp_path).split())
    assert f"solar {command}" in text.replace("pytest ", "solar ")
    assert COMMANDS[command][1].split()[0] in text


def test_a_mistyped_command_is_answered_with_the_right_one(tmp_path: Path) -> None:
    done = solar("serach", folder=tmp_path)
    assert done.returncode == 2 and "Did you mean 'search'?" in done.stderr


def test_no_command_is_loaded_for_the_list_of_them() -> None:
    program = (
        "import sys; sys.argv = ['solar', '--help']; from solar.cli import app\n"
        "try: app()\n"
        "except SystemExit: print([m for m in sys.modules if m.startswith('solar.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.rstrip().endswith("['solar.cli.console']"), done.stdout
