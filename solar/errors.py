"""The errors that Solar raises on purpose: one line each, naming the thing and the way out."""

from __future__ import annotations

from collections.abc import Iterable

_NAMED = 5


class SolarError(Exception):
    """Something failed for a reason that the message explains in one line.

    The command line prints the message and exits with code 1.
    """


class UsageError(SolarError):
    """The call itself was wrong: an option, a name or a combination. Exit code 2."""


class PhotoError(SolarError):
    """A photo that cannot be used; the message names the file and the reason."""


class CheckpointError(SolarError):
    """Weights that cannot be loaded, found, verified or written."""


class IndexFolderError(SolarError):
    """An index folder that is missing, damaged, locked, or made with other settings."""


def some(names: Iterable[str]) -> str:
    """The first few, for a message, and how many more there are."""
    shown = list(names)
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more
