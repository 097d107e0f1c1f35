"""Descriptors of photos that were described elsewhere, put into an index by their names."""

from __future__ import annotations

import os
from collections.abc import Sequence

from solar.errors import UsageError
from solar.index._entries import Entry
from solar.index._roots import NAMELESS, Roots
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.catalogue import Home
from solar.typing import Descriptors

_ROWS_PER_COMMIT = 1 << 16


def add_rows(
    snapshot: Snapshot, writer: Writer, names: Sequence[str], rows: Descriptors
) -> list[int]:
    """Put descriptors of photos that were described elsewhere; returns their ids.

    Raises:
        UsageError: there are more or fewer names than rows, or one is there twice.
    """
    if len(names) != len(rows) or len(set(names)) != len(names):
        raise UsageError(f"{len(set(names))} names for {len(rows)} descriptors: give one for each")
    homes, roots = homes_of(names, snapshot.roots)
    known = snapshot.named(homes)
    writer.put_roots(roots)
    ids = []
    for home, row in zip(homes, rows, strict=True):
        ids.append(known[home].id if home in known else writer.new_id())
        writer.put(Entry(ids[-1], *home), row)
        if writer.pending >= _ROWS_PER_COMMIT:
            writer.commit()
    writer.commit()
    return ids


def homes_of(names: Sequence[str], roots: Roots) -> tuple[list[Home], Roots]:
    """Where photos are kept, absolute paths or any names; and the roots with those that are new."""
    homes: list[Home] = []
    for name in names:
        path, absolute = os.fsencode(name.replace(os.sep, "/")), os.path.isabs(name)  # noqa: PTH117
        home = roots.home(path) if absolute else None
        if home is None:
            folder, _, inside = path.rpartition(b"/") if absolute else (NAMELESS, b"", path)
            number, roots = roots.with_root(folder)
            home = number, inside
        homes.append(home)
    return homes, roots
