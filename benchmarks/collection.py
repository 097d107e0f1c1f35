"""What a collection knows, measured: its places, and which photos are the same.

    python -m benchmarks.collection places WORK PLACES...
    python -m benchmarks.collection duplicates WORK FOLDER...

PLACES are folders whose sub-folders are places. Copies and indexes are made in the folder WORK and
kept there, so that a second call only measures.

places: pairwise precision, recall and F1 of the photos that are put together; beside it those of
connected components, which one false link joins.

duplicates: every third photo gets copies of all kinds; a copy is found if it is in one group with
its original, and a pair in a group is right if both were made of one.
"""

from __future__ import annotations

import argparse
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

from PIL import Image, ImageOps

from solar.collection import duplicates, links_of, places
from solar.collection._communities import components
from solar.collection.grouping import LIKELY
from solar.index import Index
from solar.photos import find_photos, open_photo

KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "encoded anew": lambda photo: photo,
    "resized by half": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "mirrored": ImageOps.mirror,
    "turned by 90°": lambda photo: photo.transpose(Image.Transpose.ROTATE_90),
    "cropped to 80 %": lambda photo: _cropped(photo, 0.8),
    "cropped to 60 %": lambda photo: _cropped(photo, 0.6),
    "cropped to 80 %, mirrored": lambda photo: ImageOps.mirror(_cropped(photo, 0.8)),
}
"""Of each side that is left, where it says so. Each is a JPEG of quality 60."""


def main() -> None:
    """Read the options, make what is missing, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=tuple(MEASURES))
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print(f"{platform.processor() or platform.machine()}\n", flush=True)
    heads, measure = MEASURES[options.what]
    print(f"| set | {' | '.join(heads)} |\n| --- |{' ---: |' * len(heads)}")
    for folder in options.sets:
        for row in measure(options.work, folder):
            print(f"| {' | '.join(row)} |", flush=True)


def indexed(folder: Path, photos: Path) -> Index:
    """An index of a folder, made or brought up to date."""
    index = Index.open(folder) if folder.exists() else Index.create(folder)
    index.add(photos)
    return index


def measure_places(work: Path, folder: Path) -> Iterator[list[str]]:
    """A row for the communities, and one for connected components."""
    index = indexed(work / f"{folder.name}.index", folder)
    found = places(index)
    links = links_of(index)
    labels = [_place_of(index[number].path, folder) for number in links.ids.tolist()]
    at = {number: position for position, number in enumerate(links.ids.tolist())}
    groups = [[at[photo.id] for photo in place.photos] for place in found.places]
    joined = components(len(labels), links.pairs[links.probabilities >= LIKELY])
    for name, given in (("", groups), (", components", joined)):
        precision, recall, f1 = pairwise(labels, given)
        figures = [f"{value:.3f}" for value in (precision, recall, f1)]
        several = sum(len(group) > 1 for group in given)
        yield [folder.name + name, str(len(labels)), str(len(set(labels))), str(several), *figures]


def pairwise(labels: Sequence[str], groups: Sequence[Sequence[int]]) -> tuple[float, float, float]:
    """Precision, recall and F1 of pairs of photos that are put together."""
    together = [(one, two) for group in groups for one, two in combinations(group, 2)]
    right = sum(labels[one] == labels[two] for one, two in together)
    every = sum(one == two for one, two in combinations(labels, 2))
    precision, recall = right / max(len(together), 1), right / max(every, 1)
    return precision, recall, 2 * right / max(len(together) + every, 1)


def _place_of(path: str, folder: Path) -> str:
    return Path(path).relative_to(folder.resolve()).parts[0]


def measure_duplicates(work: Path, folder: Path) -> Iterator[list[str]]:
    """A row for each kind of copy, and one for all."""
    copies = work / f"{folder.name}-copies"
    origin = with_copies(folder, copies)
    index = indexed(work / f"{folder.name}-copies.index", copies)
    found = duplicates(index)
    group_of = {
        Path(photo.path).relative_to(copies.resolve()).as_posix(): number
        for number, group in enumerate(found.groups)
        for photo in group.photos
    }
    members: dict[int, list[str]] = {}
    for name, number in group_of.items():
        members.setdefault(number, []).append(name)
    pairs = [pair for each in members.values() for pair in combinations(sorted(each), 2)]
    right = [pair for pair in pairs if origin[pair[0]] == origin[pair[1]]]
    for pair in set(pairs) - set(right):
        print(f"wrong: {pair}")
    for kind in ("the same bytes", *KINDS):
        made = [name for name in origin if name.startswith(f"{kind}/")]
        hit = [n for n in made if n in group_of and group_of[n] == group_of.get(origin[n])]
        yield [f"{folder.name}, {kind}", str(len(made)), f"{len(hit) / max(len(made), 1):.3f}", ""]
    yield [
        *(f"{folder.name}, pairs in groups", str(len(pairs)), ""),
        f"{len(right) / max(len(pairs), 1):.4f}",
    ]


def with_copies(folder: Path, copies: Path) -> dict[str, str]:
    """Write originals and copies; returns by the name of each that of its original."""
    origin: dict[str, str] = {}
    for number, photo in enumerate(find_photos(folder)):
        name = f"original/{number:04}{photo.suffix}"
        origin[name] = name
        (copies / "original").mkdir(parents=True, exist_ok=True)
        if not (copies / name).exists():
            shutil.copy(photo, copies / name)
        if number % 3:
            continue
        same = f"the same bytes/{number:04}{photo.suffix}"
        origin[same] = name
        (copies / same).parent.mkdir(exist_ok=True)
        shutil.copy(photo, copies / same)
        for kind, change in KINDS.items():
            copy = f"{kind}/{number:04}.jpg"
            origin[copy] = name
            (copies / copy).parent.mkdir(exist_ok=True)
            if not (copies / copy).exists():
                change(open_photo(photo)).save(copies / copy, quality=60)
    return origin


def _cropped(photo: Image.Image, part: float) -> Image.Image:
    width, height = photo.size
    left, top = int(width * (1 - part) * 0.7), int(height * (1 - part) * 0.3)
    return photo.crop((left, top, left + int(width * part), top + int(height * part)))


MEASURES = {
    "places": (("photos", "places", "found", "precision", "recall", "F1"), measure_places),
    "duplicates": (("copies", "recall", "precision"), measure_duplicates),
}

if __name__ == "__main__":
    main()
