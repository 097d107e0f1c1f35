"""What is printed is data: whole, on one line, under any encoding."""

import io
import os
import subprocess
import sys
import time
from itertools import count

import pytest

import solar
import solar.cli.models
from solar.cli.console import keeping, progress, table
from solar.errors import UsageError

NAMES = ["[bold]a[/].png", ":smile:.png", "x" * 300 + ".png", "caf\udce9\x1b[31m\n.png", "城🏰.png"]


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii", "latin-1", "cp1252"])
def test_names_are_whole_lines_under_any_encoding(encoding: str) -> None:
    program = (
        "import sys\nfrom solar.cli.console import out, show_any_name, table\nshow_any_name()\n"
        f"names = {NAMES!r}\nfor name in names: out.print(name)\n"
        "table([('1', '0.5', name) for name in names], ['', 'score', 'photo'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode(encoding.partition(":")[0]).splitlines()
    assert len(lines) == 2 * len(NAMES) + 1
    assert lines[0] == NAMES[0] and lines[1] == NAMES[1] and lines[2] == NAMES[2]
    assert lines[3] == r"caf\udce9\x1b[31m\n.png"
    assert ("🏰" in lines[4]) == (encoding == "utf-8:strict") or r"\U0001f3f0" in lines[4]
    assert [line.split()[-1] for line in lines[6:]] == lines[:5]


def test_columns_are_aligned_and_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    table([("a", "5", "x"), ("bcd", "12.25", ""), ("城", "–", "y")], ("name", "n", "last"))
    assert capsys.readouterr().out.splitlines() == [
        "name      n  last",
        "a         5  x",
        "bcd   12.25",
        "城        –  y",
    ]


def test_progress_is_a_line_now_and_then_where_no_terminal_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("solar.cli.console.LINE_EVERY", 0.05)
    clock = count(0, 60)
    monkeypatch.setattr("solar.cli.console.time.monotonic", lambda: next(clock))
    with progress("indexing") as show:
        time.sleep(0.1)
        show(5, 10_000)
        time.sleep(0.3)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "indexing: 60 s"
    assert all(line.startswith("indexing: 5 of 10,000, about ") for line in told[2:]) and told[2:]
    with progress("fetching") as show:
        show(4, None)
        time.sleep(0.3)
    assert set(capsys.readouterr().err.splitlines()) == {"fetching: 4"}


def test_what_is_kept_is_told_with_the_interrupt() -> None:
    with (
        pytest.raises(KeyboardInterrupt, match="half of it is kept"),
        keeping("half of it is kept"),
    ):
        raise KeyboardInterrupt
    with pytest.raises(UsageError), keeping(lambda: "never asked"):
        raise UsageError("wrong")


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        ("KeyboardInterrupt()", 130, "solar: interrupted"),
        ("KeyboardInterrupt('x.partial keeps it')", 130, "solar: interrupted; x.partial keeps it"),
        ("OSError(28, 'No space left on device')", 1, "solar: No space left on device"),
        ("OSError(28, 'No space left', 'a.npz')", 1, "solar: a.npz: No space left"),
        ("TypeError('a' * 999)", 1, "solar: a fault of Solar's own (TypeError: aaa"),
        ("MemoryError()", 1, "solar: out of memory"),
        (r"solar.errors.UsageError('no\nfile: gone')", 2, r"solar: no\nfile: gone"),
    ],
)
def test_whatever_happens_is_one_line(
    raised: str, code: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise eval(raised, {"solar": solar})  # noqa: S307 - written above

    monkeypatch.setattr("solar.cli.models.table", fails)
    monkeypatch.setattr(sys, "argv", ["solar", "models"])
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(SystemExit) as left:
        solar.cli.main()
    assert left.value.code == code
    assert stream.getvalue().startswith(line) and stream.getvalue().count("\n") == 1
    assert len(stream.getvalue()) < 400


def test_help_shows_what_stands_in_brackets() -> None:
    program = (
        "import sys; sys.argv = ['solar', 'describe', '--help']; from solar.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    text = " ".join(done.stdout.split())
    assert "[the model's]" in text and "[default: auto]" in text and done.returncode == 0
