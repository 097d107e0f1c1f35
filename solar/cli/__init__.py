"""The command `solar`: one small file per command, loaded when it is called, without logic."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import solar
from solar.cli.console import err, show_any_name
from solar.errors import SolarError, UsageError, about_import
from solar.files import cut

# the UsageError of the click that typer brings along
_WrongCall: type[Exception] = typer.BadParameter.__mro__[1]

# By command: the module whose `register` adds it, and the line that the list of commands shows.
COMMANDS = {
    "index": ("index", "Put photos into an index; only new and changed ones."),
    "search": ("search", "Find photos of the place that a photo shows."),
    "serve": ("serve", "A page and an HTTP API to search an index with."),
    "info": ("maintain", "What an index holds, what was skipped and why, which photos are copies."),
    "list": ("maintain", "Every photo of an index by its number, and where it is."),
    "verify": ("maintain", "Check that all of an index is as it was written."),
    "compact": ("maintain", "Give back the space of removed and changed photos; ids stay."),
    "tune": ("tune", "Measure what an approximate index finds, and how fast; keep a setting."),
    "remove": ("maintain", "Drop photos from an index; the files themselves are not touched."),
    "duplicates": ("duplicates", "Find photos that are the same, why they are, and which to keep."),
    "places": ("places", "Find which photos of an index show one place; a contact sheet."),
    "where": ("where", "Where a photo was taken, by photos of an index that prove it."),
    "describe": ("describe", "Write what a network says of photos into a NumPy file."),
    "attend": ("attend", "Show to which other positions of a photo one position attends."),
    "match": ("match", "Say whether two photos show the same place, and draw what they share."),
    "export-hloc": ("export_hloc", "Write pairs, features and matches for hloc and COLMAP."),
    "bench": ("bench", "Measure this machine: photos per second, and which options to use."),
    "models": ("models", "List the named models."),
    "convert": ("models", "Turn a published .pth file into a model folder, or back."),
    "export": ("models", "Write a model that runs without torch, here and in other programs."),
    "train": ("train", "Train a network."),
    "calibrate": ("calibrate", "Learn how probable hits are, from labelled photos."),
    "eval": ("evaluate", "Measure a model: retrieval, patches, matching."),
    "vocabulary": ("vocabulary", "Learn by what local features are told: VLAD, Fisher, ASMK."),
    "data": ("data", "Get published data sets; check labelled ones."),
    "whiten": ("whiten", "Learn whitening, apply it to descriptors, fold it into a model."),
    "completion": ("completion", "Print what lets a shell complete commands and options with Tab."),
}


class _Later(TyperCommand):
    """Stands for a command in the list of commands; becomes it when it is called."""

    def loaded(self) -> Any:
        """The command itself."""
        name = str(self.name)
        holder = typer.Typer(add_completion=False, rich_markup_mode=None)
        holder.callback()(lambda: None)  # so that it is a group whatever the module registers
        import_module(f"solar.cli.{COMMANDS[name][0]}").register(holder)
        found: Any = typer.main.get_command(holder).commands[name]  # type: ignore[attr-defined]
        for command in getattr(found, "commands", {}).values():
            command.short_help = (command.help or "").partition("\n\n")[0]  # whole in lists
        return found

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        """The context of the command itself."""
        return self.loaded().make_context(info_name, args, *rest, **more)


class _Commands(TyperGroup):
    """The list of commands, none of them loaded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, line) in COMMANDS.items():
            self.add_command(_Later(name, short_help=line, add_help_option=False))

    def invoke(self, context: Any) -> Any:
        """Run the command; Ctrl-C leaves typer, which would end without a word."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt as stop:
            raise _Interrupted(str(stop)) from stop


class _Interrupted(Exception):
    """Ctrl-C was pressed; the text says what is kept."""


@dataclass
class _Settings:
    debug: bool = False


_settings = _Settings()
app = typer.Typer(
    name="solar",
    cls=_Commands,
    help="Find the same place again in anyone's photos.",
    epilog="Begin with: solar index PHOTOS --to my.index, then: solar search my.index QUERY.jpg",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # which takes [default] for markup
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"solar {solar.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the stack trace of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    _settings.debug = debug


def main() -> None:
    """Run the command line: exit code 2 for a wrong call, 1 for a failure, 130 after Ctrl-C."""
    show_any_name()
    if "_SOLAR_COMPLETE" in os.environ:
        from solar.cli.completion import answer_shells

        answer_shells()
    try:
        code = typer.main.get_command(app)(prog_name="solar", standalone_mode=False)
    except _Interrupted as stop:
        err.print(f"solar: interrupted; {stop}" if str(stop) else "solar: interrupted")
        sys.exit(130)
    except _WrongCall as error:
        err.print(*_about_call(error), sep="\n")
        sys.exit(2)
    except Exception as error:
        if _settings.debug:
            raise
        err.print(f"solar: {_in_words(error)}")
        sys.exit(2 if isinstance(error, UsageError) else 1)
    sys.exit(code if isinstance(code, int) else 0)


def _about_call(error: Any) -> list[str]:
    """A wrong call in one line; called without anything, a group explains itself."""
    text = error.format_message()
    if "\n" in text:
        return list(text.splitlines())
    command = error.ctx.command_path if error.ctx else "solar"
    return [f"solar: {text.rstrip('.')}: see {command} --help"]


def _in_words(error: Exception) -> str:
    if isinstance(error, SolarError):
        return str(error)
    if isinstance(error, ImportError) and (missing := about_import(error)):
        return str(missing)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory: use a smaller --image-size or fewer photos at once"
    what = f"{type(error).__name__}: {cut(error, 200)}"
    return f"a fault of Solar's own ({what}): run solar --debug …, and report what it prints"
