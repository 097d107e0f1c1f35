"""Commands load when they are called; the list of them says what they do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from solar.cli import COMMANDS
from tests.cli.runner import solar, succeed
from tests.evaluation.fakes import paint


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_loads_and_explains_itself(command: str, tmp_path: Path) -> None:
    text = " ".join(succeed(command, "--help", folder=tmp_path).split())
    assert f"solar {command}" in text.replace("pytest ", "solar ")
    assert COMMANDS[command][1].split()[0] in text


def test_a_mistyped_command_is_answered_with_the_right_one(tmp_path: Path) -> None:
    done = solar("serach", folder=tmp_path)
    assert done.returncode == 2 and "Did you mean 'search'?" in done.stderr


HEAVY = ("cv2", "faiss", "jinja2", "numpy", "onnxruntime", "openvino", "PIL", "rich", "sqlite3")
NEVER = ("torch", "urllib.request", "openvino.tools.ovc", "onnxruntime", "scipy")


def loaded(folder: Path, *call: str) -> list[str]:
    """The modules that a call of `solar` has loaded at its end."""
    program = (
        f"import sys; sys.argv = {['solar', *call]!r}; from solar.cli import main\n"
        "try: main()\nexcept SystemExit: print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_no_command_is_loaded_for_the_list_of_them(tmp_path: Path) -> None:
    found = loaded(tmp_path, "--help")
    assert [name for name in found if name.startswith("solar.cli.")] == ["solar.cli.console"]
    assert not set(found).intersection((*HEAVY, *NEVER))


@pytest.mark.slow
def test_a_search_loads_what_it_needs(tmp_path: Path) -> None:
    for number in range(2):
        paint(tmp_path / f"{number}.png", number)
    call = ["index", "0.png", "1.png", "--image-size", "64", "--to"]
    succeed(*call, "my.index", folder=tmp_path)
    succeed(*call, "bare.index", "--no-local", folder=tmp_path)
    for name, more in {"my.index": [], "bare.index": ["cv2"]}.items():
        found = loaded(tmp_path, "search", name, "0.png")
        assert "numpy" in found
        assert not set(found).intersection((*NEVER, *more, "jinja2", "rich.progress"))


@pytest.mark.parametrize(
    "call",
    [
        ["train", "hurts.toml", "--to", "run"],
        ["eval", "revisited", "--dataset", "roxford5k", "--root", "."],
        ["eval", "folder", ".", "--pairs", "hurts.toml"],
        ["describe", "hurts.toml", "--to", "hurts.toml"],
        ["match", "a.png", "hurts.toml", "--to", "x.gif"],
        ["attend", "a.png", "--at", "1,1", "--to", "missing/x.png"],
        ["search", "my.index", "a.png", "--html", "missing/x.html"],
    ],
)
def test_what_is_wrong_is_said_before_torch_is_loaded(call: list[str], tmp_path: Path) -> None:
    (tmp_path / "hurts.toml").write_text(".".join("a" * 20_000) + " = 1\n")
    (tmp_path / "gnd_roxford5k.pkl").write_bytes(b"\x80\x04})" + b"2\x86" * 60 + b"K\x01s.")
    program = (
        f"import sys; sys.argv = {['solar', *call]!r}; from solar.cli import main\n"
        "try: main()\nexcept SystemExit as left: print(left.code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout in ("1 False\n", "2 False\n") and done.stderr.count("\n") == 1, done.stderr
