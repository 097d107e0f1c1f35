"""How often `solar where` is right about photos that were held out, and silent where it should be.

    python -m benchmarks.located WORK PLACES... [--one castle,entry,fountain] [--proves 0.9]

PLACES are folders whose sub-folders are places; `--one` names sub-folders that are one place, for
two positions of one place contradict one another. Copies and indexes are made in the folder WORK
and kept there, so that a second call only measures.

Each place has a middle somewhere on earth; each photo is a normal step of 40 m along both axes from
it. Every third photo of a place, by name, is held out. The others are indexed as copies that say
where they were taken; a tenth say nothing, one in 25 is somewhere else altogether, one in 25 has
its hemisphere swapped. Each held-out photo is asked for twice: in the index of all places, where
an answer is right if the photo was taken within the radius, and in a copy of it without the photos
of its own place, where any answer is wrong.
"""

from __future__ import annotations

import argparse
import platform
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.collection import indexed
from solar.collection import Located, locating, where
from solar.collection._earth import metres
from solar.index import Index
from solar.photos import find_photos, open_photo

Position = tuple[float, float]

STEP = 40.0  # Metres.
REASONS = {
    "nobody sure": "no photo of the index",
    "no position": "photos show this place, but",
    "disagree": "at different ones",
}
"""What a column counts, and what its reason says."""
HEADS = (
    *("set", "places", "indexed", "asked", "right of asked", "right of answers"),
    *("median radius, m", *REASONS, "absent: silent"),
)


class Asked(NamedTuple):
    """A photo that was held out, where it was taken, and the place that it shows."""

    photo: Path
    position: Position
    place: str


def main() -> None:
    """Read the options, make what is missing, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--one", action="append", default=[], metavar="NAME,NAME")
    parser.add_argument("--proves", type=float, default=locating.PROVES)
    parser.add_argument("--tell", action="store_true", help="name what is wrong or unanswered")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    locating.PROVES = options.proves
    joined = {name: names for names in options.one for name in names.split(",")}
    print(f"{platform.processor() or platform.machine()}\n", flush=True)
    print(f"| {' | '.join(HEADS)} |\n| --- |{' ---: |' * (len(HEADS) - 1)}")
    for folder in options.sets:
        print(f"| {' | '.join(measured(options.work, folder, joined, options.tell))} |", flush=True)


def measured(work: Path, folder: Path, joined: dict[str, str], tell: bool) -> list[str]:
    """The row of a set."""
    copies = work / f"{folder.name}-gps"
    asked = with_positions(folder, copies, joined)
    index = indexed(work / f"{folder.name}-gps.index", copies)
    found = [where(index, each.photo) for each in asked]
    places = sorted({each.place for each in asked})
    wrong = 0
    for place in places:
        held = [each for each in asked if each.place == place]
        wrong += answered_without(index, [copies / name for name in place.split(",")], held)
    right = [is_right(one, each) for one, each in zip(found, asked, strict=True)]
    radii = [one.location.radius for one in found if one.location is not None]
    silent = Counter(name for one in found for name, says in REASONS.items() if says in one.reason)
    if tell:
        for one, each, well in zip(found, asked, right, strict=True):
            if not well:
                print(f"{each.place}/{each.photo.name}: {one.location or one.reason}")
    return [
        *(folder.name, str(len(places)), str(len(index)), str(len(asked))),
        *(f"{sum(right) / len(asked):.1%}", f"{sum(right)} of {len(radii)}"),
        f"{np.median(radii):.0f}" if radii else "–",
        *(str(silent[name]) for name in REASONS),
        f"{len(asked) - wrong} of {len(asked)}",
    ]


def is_right(found: Located, asked: Asked) -> bool:
    """Whether a photo was taken within the radius that was said."""
    if found.location is None:
        return False
    middle = np.array([found.location.latitude, found.location.longitude])
    return bool(metres(middle, np.array(asked.position)) <= found.location.radius)


def answered_without(index: Index, folders: Sequence[Path], asked: Sequence[Asked]) -> int:
    """How many photos are answered by an index that holds none of their place."""
    without = index.folder.with_name(f"{index.folder.name}-without")
    shutil.rmtree(without, ignore_errors=True)
    shutil.copytree(index.folder, without)
    fewer = Index.open(without)
    fewer.remove(folders)
    return sum(where(fewer, each.photo).location is not None for each in asked)


def with_positions(folder: Path, copies: Path, joined: dict[str, str]) -> list[Asked]:
    """Write copies that say where they were taken; returns what is held out.

    The same for every call: files that are there are left as they are.
    """
    from tests.collection.holidays import save

    random = np.random.default_rng(16)
    asked: list[Asked] = []
    by_place: dict[str, list[Path]] = {}
    for photo in find_photos(folder):
        name = photo.relative_to(folder).parts[0]
        by_place.setdefault(joined.get(name, name), []).append(photo)
    for place, photos in sorted(by_place.items()):
        centre = random.uniform((-60, -180), (60, 180))
        for position, photo in enumerate(photos):
            there = _step(centre, random)
            said = _said(there, random)
            if position % 3 == 2:
                asked.append(Asked(photo, there, place))
                continue
            path = copies / photo.relative_to(folder).with_suffix(".jpg")
            if not path.exists():
                save(path, open_photo(photo), said, quality=95)
    return asked


def _said(there: Position, random: np.random.Generator) -> Position | None:
    """What a photo says of its position, most often the truth."""
    chance, elsewhere = random.uniform(), random.uniform((-60, -180), (60, 180))
    if chance < 0.1:
        return None
    if chance < 0.14:
        return float(elsewhere[0]), float(elsewhere[1])
    return (-there[0], there[1]) if chance < 0.18 else there


def _step(centre: np.ndarray, random: np.random.Generator) -> Position:
    north, east = random.normal(0, STEP, 2)
    degree = 111_195.0
    latitude = float(centre[0] + north / degree)
    return latitude, float(centre[1] + east / degree / np.cos(np.deg2rad(latitude)))


if __name__ == "__main__":
    main()
