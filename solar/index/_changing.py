"""What changes an index beside describing: roots, moves, descriptors from elsewhere, reports."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from solar.errors import UsageError
from solar.index._entries import Entry, is_gone, path_to_bytes, path_to_text
from solar.index._given import Given
from solar.index._roots import NAMELESS, Roots
from solar.index._snapshot import Snapshot
from solar.index._writer import Writer
from solar.index.results import AddReport
from solar.typing import Descriptors

_ROWS_PER_COMMIT = 1 << 16


def put_roots(writer: Writer, snapshot: Snapshot, roots: Roots) -> None:
    """Keep roots with the next commit, if they are others than those that are kept."""
    stored = roots.stored(snapshot.folder)
    if stored != snapshot.catalogue.roots():
        writer.put_roots(stored)


def refuse_nothing(given: Given, snapshot: Snapshot) -> None:
    """Refuse a call in which nothing exists: a mistyped folder.

    Raises:
        UsageError: nothing of what was given exists or is known.
    """
    places = [path_to_text(place) for place in sorted(given.places)]
    if places and not any(
        Path(place).exists() or Path(place).is_symlink() or any(snapshot.below(given_place))
        for place, given_place in zip(places, sorted(given.places), strict=True)
    ):
        raise UsageError("no such file or folder", places[0])


def finished(report: AddReport, last: Snapshot, given: Given, missing: set[bytes]) -> AddReport:
    """The report, by name, with the photos of the index whose file is gone.

    Args:
        report: so far.
        last: the index as it is now.
        given: what was asked for.
        missing: photos that were given and do not exist.
    """
    gone: dict[bytes, int] = {}
    accounted: set[bytes] = set()
    for place in given.places:
        for entry in last.below(place):
            whole = last.roots.whole(entry.root, entry.path)
            if whole not in gone and is_gone(Path(path_to_text(whole))):
                gone[whole] = entry.root
                accounted.add(place)
    lost, missing_roots = Counter(gone.values()), set(last.roots.missing())
    for whole, root in gone.items():
        at_risk = root in missing_roots or 2 * lost[root] > last.catalogue.count(
            root, last.commit.generation
        )
        (report.unreachable if at_risk else report.vanished).append(path_to_text(whole))
    for text in map(path_to_text, missing - accounted - gone.keys()):
        report.failed.append((text, f"{text}: there is no such file"))
    for part in vars(report).values():
        part.sort()
    return report


def add_rows(
    snapshot: Snapshot, writer: Writer, names: Sequence[str], rows: Descriptors
) -> list[int]:
    """Put descriptors of photos that were described elsewhere; returns their ids.

    Raises:
        UsageError: there are more or fewer names than rows, or one is there twice.
    """
    if len(names) != len(rows) or len(set(names)) != len(names):
        raise UsageError(f"{len(set(names))} names for {len(rows)} descriptors: give one for each")
    roots, ids = snapshot.roots, []
    for name, row in zip(names, rows, strict=True):
        path, absolute = os.fsencode(name.replace(os.sep, "/")), os.path.isabs(name)  # noqa: PTH117
        home = roots.home(path) if absolute else None
        if home is None:
            place, _, inside = path.rpartition(b"/") if absolute else (NAMELESS, b"", path)
            number, roots = roots.with_root(place)
            home = number, inside
        known = snapshot.catalogue.named(*home, snapshot.commit.generation)
        ids.append(writer.new_id() if known is None else known.id)
        writer.put(Entry(ids[-1], *home), row)
        if writer.pending >= _ROWS_PER_COMMIT:
            put_roots(writer, snapshot, roots)
            writer.commit()
    put_roots(writer, snapshot, roots)
    writer.commit()
    return ids


def move(snapshot: Snapshot, writer: Writer, old: Path, new: Path) -> int:
    """Let photos below a folder lie in another from now on; returns how many there are.

    Raises:
        UsageError: there are none, or the new folder does not exist.
    """
    if not new.is_dir():
        raise UsageError("no such folder", new)
    source, target = (path_to_bytes(p).rstrip(b"/") for p in (old.absolute(), new.resolve()))
    moved = list(snapshot.below(source))
    if not moved:
        raise UsageError(f"knows no photo below {old}", snapshot.folder)
    roots = snapshot.roots
    inside = {n for n, place in roots.places.items() if place and _is_below(place, source)}
    others = Roots({n: place for n, place in roots.places.items() if n not in inside})
    whole = {entry.root for entry in moved} <= inside
    if whole and others.home(target) is None and target not in others.places.values():
        places = {n: target + roots.places[n][len(source) :] for n in inside}
        roots = Roots({**roots.places, **places})
    else:
        roots = _rehomed(snapshot, writer, moved, (source, target), others if whole else roots)
    put_roots(writer, snapshot, roots)
    writer.commit()
    return len(moved)


def _rehomed(
    snapshot: Snapshot,
    writer: Writer,
    moved: Sequence[Entry],
    way: tuple[bytes, bytes],
    roots: Roots,
) -> Roots:
    """Put photos at other places, one by one; where one is known already, it stays."""
    source, target = way
    if target not in roots.places.values() and roots.home(target) is None:
        _, roots = roots.with_root(target)
    for entry in moved:
        path = target + snapshot.roots.whole(entry.root, entry.path)[len(source) :]
        home = roots.home(path)
        if home is None:
            continue
        if snapshot.catalogue.named(*home, snapshot.commit.generation) is not None:
            writer.remove(entry.id)
        else:
            writer.put(entry._replace(root=home[0], path=home[1]))
    return roots


def _is_below(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder + b"/")
