"""Where an index keeps descriptors, and how they are searched: one file for each kind."""

from __future__ import annotations

from collections.abc import Mapping

from solar.errors import UsageError
from solar.index.vectors._protocol import Kind, Vectors, VectorsWriter
from solar.index.vectors.exact import Exact, lengths_of

__all__ = ["KINDS", "Kind", "Vectors", "VectorsWriter", "kind_named", "lengths_of"]

KINDS: Mapping[str, Kind] = {"exact": Exact()}
"""By the name that an index remembers."""


def kind_named(name: str) -> Kind:
    """The kind of vectors of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in KINDS:
        raise UsageError(f"kind {name:.60}: use {' or '.join(KINDS)}")
    return KINDS[name]
