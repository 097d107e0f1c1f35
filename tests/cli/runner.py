"""Runs the command line, in this process or as one of its own."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from solar.cli import main


@dataclass
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def process(*arguments: object, folder: Path) -> Done:
    """Run the command as a process of its own, as a user does."""
    command = [sys.executable, "-c", "from solar.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


def solar(*arguments: object, folder: Path) -> Done:
    """Run the command in this process: the same `main`, without another start of torch."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["solar", *map(str, arguments)])
        try:
            main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
    return Done(code, out.getvalue(), err.getvalue())


def succeed(*arguments: object, folder: Path) -> str:
    """Run a command that must succeed; returns its standard output."""
    done = solar(*arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout
