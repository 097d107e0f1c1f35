"""Commands and options that documents name are there."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from solar.cli import COMMANDS
from tests.docs.test_links import ROOT, documents

_SPAN = re.compile(r"`(solar [^`\n]+)`|^\s*(?:\$ )?(solar [^\n]+)$", re.M)
_ANYTHING = {"COMMAND", "…", "..."}


@cache
def command(name: str) -> Any:
    group = typer.Typer(add_completion=False, rich_markup_mode=None)
    group.callback()(lambda: None)
    importlib.import_module(f"solar.cli.{COMMANDS[name][0]}").register(group)
    return typer.main.get_command(group).commands[name]  # type: ignore[attr-defined]


def options(found: Any) -> set[str]:
    """All options of a command, and of those below it."""
    own = {word for each in found.params for word in (*each.opts, *each.secondary_opts)}
    below = getattr(found, "commands", {}).values()
    return own.union(*map(options, below)) | {"--help", "-h"}


def faults(text: str) -> list[str]:
    """What is called in a text and is not there."""
    wrong = []
    for span in _SPAN.findall(text):
        line = re.split(r"\s(?:#|&&|\||;|>)|\\$", span[0] or span[1])[0]
        words = [word for word in line.split()[1:] if word not in ("--debug", "--version")]
        if not words or words[0].startswith("--") or words[0] in _ANYTHING:
            continue
        if words[0] not in COMMANDS:
            if re.fullmatch(r"[a-z-]+", words[0]):
                wrong.append(f"{line}: no command {words[0]}")
            continue
        found = command(words[0])
        below = getattr(found, "commands", {})
        if below and len(words) > 1 and re.fullmatch(r"[a-z]+(-[a-z]+)*", words[1]):
            if words[1] not in below:
                wrong.append(f"{line}: no {words[0]} {words[1]}")
                continue
            found = below[words[1]]
        for word in re.findall(r"(?<!\S)--[a-z][a-z-]*", " ".join(words)):
            if word not in options(found):
                wrong.append(f"{line}: no {word}")
    return wrong


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_what_documents_call_is_there(file: Path) -> None:
    assert not faults(file.read_text("utf-8"))


def test_what_is_not_there_is_found() -> None:
    text = "`solar find x` `solar search my.index --tip 3` `solar eval …`\n    solar whiten melt\n"
    assert [fault.split(": ")[1] for fault in faults(text)] == [
        "no command find",
        "no --tip",
        "no whiten melt",
    ]
