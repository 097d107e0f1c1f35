"""What a labelled data set holds, and everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from solar.datasets.places.places import read_places
from solar.datasets.places.rows import Problems
from solar.datasets.places.table import Places
from solar.errors import PhotoError, SolarError, UsageError
from solar.files import printable
from solar.files.threads import cores, threads
from solar.photos import open_photo, prepare
from solar.typing import Progress

SIZES = (1, 2, 3, 5, 10, 20, 50, 100, 1000)
"""Photos of a place from which on the next count of `Contents.by_size` begins."""

_LARGEST = 5
_TASK = 16  # photos that a thread looks at before it takes others
_WINDOW = 8 * _TASK  # photos for each thread before the next are handed out
_TRIAL_SIDE = 32  # a box is tried on a photo with this image size


@dataclass(frozen=True)
class Contents:
    """Counts of a labelled data set.

    Attributes:
        photos: rows or files that name one; a photo with two boxes counts twice.
        places: how many they show.
        pairs: known to match; None: any two photos of a place are.
        boxes: photos of which only a part counts.
        least: photos of the smallest place.
        median: of all places.
        most: of the largest place.
        by_size: numbers of places with at least so many photos and fewer than the next; empty
            ones are left out.
        largest: names and photos of the largest places.
    """

    photos: int
    places: int
    pairs: int | None
    boxes: int
    least: int
    median: float
    most: int
    by_size: dict[int, int]
    largest: dict[str, int]


def contents(places: Places) -> Contents:
    """Count photos and places."""
    sizes = np.bincount(places.places, minlength=len(places.names))
    edges = np.searchsorted(SIZES, sizes, side="right") - 1
    largest = np.argsort(-sizes, kind="stable")[:_LARGEST].tolist()
    return Contents(
        photos=len(places),
        places=len(places.names),
        pairs=None if places.pairs is None else len(places.pairs),
        boxes=0 if places.boxes is None else int((~np.isnan(places.boxes[:, 0])).sum()),
        least=int(sizes.min(initial=len(places))),
        median=float(np.median(sizes)) if len(sizes) else 0.0,
        most=int(sizes.max(initial=0)),
        by_size={SIZES[edge]: int((edges == edge).sum()) for edge in np.unique(edges).tolist()},
        largest={places.names[number]: int(sizes[number]) for number in largest},
    )


@dataclass(frozen=True)
class Checked:
    """A labelled data set, and everything that is wrong with it.

    Attributes:
        source: the folder or list.
        contents: counts.
        problems: rows with errors.
        missing: rows whose photo is not there.
        unreadable: rows whose photo cannot be decoded, or whose box holds no pixel of it; None
            where photos were not opened.
    """

    source: Path
    contents: Contents
    problems: Problems
    missing: Problems
    unreadable: Problems | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""

        def listed(problems: Problems) -> dict[str, Any]:
            first = [{**asdict(problem), "file": str(problem.file)} for problem in problems.kept]
            return {"count": problems.count, "first": first}

        return {
            "source": str(self.source),
            **asdict(self.contents),
            "single": self.contents.by_size.get(1, 0),
            "repeated": self.problems.repeated,
            "unlabelled": self.problems.unlabelled,
            "row_errors": listed(self.problems),
            "missing": listed(self.missing),
            "unreadable": self.unreadable and listed(self.unreadable),
        }

    def require_sound(self) -> None:
        """Do nothing if nothing is wrong.

        Raises:
            SolarError: what is wrong, in one line.
        """
        wrong = {
            "rows with errors": self.problems.count,
            "missing photos": self.missing.count,
            "photos that cannot be used": self.unreadable.count if self.unreadable else 0,
        }
        listed = ", ".join(f"{what}: {count}" for what, count in wrong.items() if count)
        if listed:
            all_missing = self.missing.count == self.contents.photos and not self.problems.count
            folder = "is --photos the folder that the paths start from?"
            advice = folder if all_missing else "correct these or leave them out"
            raise SolarError(f"{self.source}: {listed}; {advice}")
        if not self.contents.photos:
            raise SolarError(f"{self.source}: holds no photos")


def check(
    source: str | Path,
    *,
    photos: str | Path | None = None,
    boxes: Sequence[str | Path] = (),
    decode: bool = False,
    progress: Progress | None = None,
) -> Checked:
    """Read a labelled data set, and look at the file of every photo.

    Args:
        source: a folder of places or a list, see `read_places`.
        photos: folder of the photos, if not the list's own.
        boxes: further files with boxes.
        decode: open each photo and try its box; else only see whether the file is there.
        progress: called with photos done and in all.

    Raises:
        SolarError: the source cannot be read at all.
    """
    places, problems = read_places(source, photos=photos, boxes=boxes)

    def work(numbers: range) -> list[tuple[int, Problems, str]]:
        found = ((number, _look(places, number, decode)) for number in numbers)
        return [
            (number, missing if gone else unreadable, reason)
            for number, (gone, reason) in found
            if reason
        ]

    missing, unreadable, workers = Problems(), Problems(), cores()
    with threads(workers) as pool:
        # A window at a time: whoever interrupts does not wait for all the others.
        for start in range(0, len(places), _WINDOW * workers):
            stop = min(start + _WINDOW * workers, len(places))
            tasks = [range(i, min(i + _TASK, stop)) for i in range(start, stop, _TASK)]
            for number, of, reason in chain.from_iterable(pool.map(work, tasks)):
                row = None if places.rows is None else int(places.rows[number])
                of.add(places.source, row, reason)
            if progress:
                progress(stop, len(places))
    found = contents(places)
    return Checked(Path(source), found, problems, missing, unreadable if decode else None)


def _look(places: Places, number: int, decode: bool) -> tuple[bool, str]:
    """Whether a photo is missing, and what is wrong with it, empty if nothing is."""
    path = places.path(number)
    if not path.is_file():
        return True, f"{printable(str(path))}: no such file"
    if not decode:
        return False, ""
    try:
        prepare(open_photo(path), _TRIAL_SIDE, places.box(number))
    except PhotoError as error:
        return False, str(error)
    except UsageError as error:  # of the box
        return False, f"{printable(str(path))}: {error}"
    return False, ""
