"""Help texts keep what stands in brackets, and tell every default."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from solar.cli import COMMANDS
from tests.cli.runner import succeed


def commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from commands(below, (*words, name))
    else:
        yield " ".join(words), command


@pytest.mark.parametrize("name", COMMANDS)
def test_brackets_and_defaults_are_shown(name: str) -> None:
    group = typer.Typer(add_completion=False, rich_markup_mode=None)
    group.callback()(lambda: None)
    importlib.import_module(f"solar.cli.{COMMANDS[name][0]}").register(group)
    command = typer.main.get_command(group).commands[name]  # type: ignore[attr-defined]
    for words, leaf in commands(command, (name,)):
        context = leaf.make_context(words, [], resilient_parsing=True)
        shown = "".join(leaf.get_help(context).split())
        for parameter in leaf.params:
            said = "".join((getattr(parameter, "help", None) or "").split())
            assert said in shown, f"{words} {parameter.name}"
            default = parameter.default
            if isinstance(default, str | int | float) and not isinstance(default, bool):
                assert f"[default:{default}" in shown or str(default) in said, parameter.name
            elif parameter.name != "help" and not parameter.required and not default:
                switch = getattr(parameter, "is_flag", False)  # off, unless it is given
                assert switch or said.endswith("]"), f"{words} {parameter.name}: which default?"


@pytest.mark.parametrize("group", ["eval", "data", "whiten"])
def test_lists_of_commands_say_what_each_does_to_the_end(group: str, tmp_path: Path) -> None:
    told = succeed(group, "--help", folder=tmp_path)
    assert "..." not in told.replace("COMMAND [ARGS]...", "")
