"""The demo: real photos, photographed again and found again. Run as `python -m solar.demo`.

Without a folder of yours it takes the photographs that scikit-image and scikit-learn bring along,
indexes some re-photographed views of each, and searches with other views. With a folder, it
indexes that, and searches with re-photographed views of some of its photos.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from PIL import Image

from solar.cli.console import err, out, progress, table
from solar.errors import PhotoError, SolarError, UsageError
from solar.files import printable, sha256, write_atomically
from solar.photos import find_photos, open_photo, prepare
from solar.photos.augment import rephotograph

if TYPE_CHECKING:
    from solar.extraction import Extractor
    from solar.index import Index, Search

# Photographs inside the packages; scikit-image's other pictures are drawings, or downloads.
_SAMPLES = {
    "skimage": (
        "data",
        "astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png "
        "hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png page.png retina.jpg rocket.jpg "
        "text.png",
    ),
    "sklearn": ("datasets/images", "china.jpg flower.jpg"),
}
_VIEWS = 4  # Of each sample in the database; one more is the query.
_QUERIES = 20  # At most, with photos of one's own.
_TOP = 8
_LONGEST_SIDE = 1024


@dataclass(frozen=True)
class _Trial:
    """A query, and which files would be right: `name` to be printed, `answers` by SHA-256."""

    name: str
    query: Path
    answers: frozenset[str]


def demo(to: str | Path, photos: str | Path | None = None, model: str | Path = "solar-r18") -> Path:
    """Index photos, search with other views of them, print the ranking, write the page.

    Args:
        to: folder for views, index and page; made if it is not there. What an earlier run did
            there is not done again.
        photos: folder of photos to be indexed where they are; None for the samples.
        model: what `solar.load` takes.

    Returns:
        The page.

    Raises:
        UsageError: there are no photos, or `to` lies inside `photos`.
        SolarError: something failed, or not one search found what it should.
    """
    from solar.extraction import open_extractor

    if photos is None:
        folder = Path(to, "samples").resolve()
        database, trials = _rephotograph_samples(folder)
    else:
        database = Path(photos).resolve()
        folder = _own_folder(Path(to).resolve(), database)
        trials = _rephotograph_some(database, folder)
    extractor = open_extractor(model)
    # An index for each model: one that an earlier version made stays as it is.
    place = folder / f"index-{extractor.extraction.fingerprint[:8]}"
    index = _index(database, place, extractor)
    searches = _search(index, trials)
    right = [_ranks(search, trial) for search, trial in zip(searches, trials, strict=True)]
    table(_rows(trials, searches, right), ("query", "right at rank", "score"))
    found = sum(1 in ranks for ranks in right)
    what = "a view of the same photo" if photos is None else "the photo that they show"
    out.print(f"{found} of {len(trials)} queries found {what} first, among {len(index)} photos")
    page = folder / "result.html"
    _write_page(page, searches)
    out.print(f"page: {page}")
    if not any(right):
        raise SolarError(f"no query found {what} among the first {_TOP}: is the model trained?")
    if photos is not None:
        out.print(f"search on: solar search {place} QUERY.jpg --html result.html")
    return page


def _rephotograph_samples(folder: Path) -> tuple[Path, list[_Trial]]:
    """Views of the samples: the folder of those for the database, and the queries."""
    samples = _samples()
    trials = []
    with progress("photographing again") as show:
        for number, sample in enumerate(samples):
            show(number, len(samples))
            views = [folder / "photos" / f"{sample.stem}-{k}.jpg" for k in range(1, _VIEWS + 1)]
            query = folder / "queries" / f"{sample.stem}.jpg"
            photo = open_photo(sample)
            for k, path in enumerate([query, *views]):
                _save_view(photo, (number, k), path)
            trials.append(_Trial(sample.stem, query, frozenset(map(sha256, views))))
    return folder / "photos", trials


def _samples() -> list[Path]:
    """The photographs' files; the packages are neither imported nor asked to download."""
    files = []
    for package, (folder, names) in _SAMPLES.items():
        spec = find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            files += [Path(place, folder, name) for name in names.split()]
    found = [file for file in files if file.is_file()]
    if len(found) < 2:
        raise UsageError(
            "the demo's photos come with scikit-image and scikit-learn: "
            "pip install 'solar-retrieval[demo]', or take your own with --photos FOLDER"
        )
    return found


def _own_folder(to: Path, photos: Path) -> Path:
    """Where to work on a folder of photos: another place for every other folder."""
    if to.is_relative_to(photos):
        raise UsageError(f"--to {to} lies inside the photos: choose a folder outside of {photos}")
    mark = hashlib.sha256(os.fsencode(photos)).hexdigest()[:8]
    return to / f"own-{mark}"


def _rephotograph_some(photos: Path, folder: Path) -> list[_Trial]:
    """Views of photos evenly spread over a folder."""
    if not photos.is_dir():
        raise UsageError(f"--photos {printable(str(photos))}: no such folder")
    paths = find_photos(photos)
    count = min(_QUERIES, len(paths))
    chosen = [paths[number * len(paths) // count] for number in range(count)]
    trials = []
    with progress("photographing again") as show:
        for number, path in enumerate(chosen):
            show(number, len(chosen))
            query = folder / "queries" / f"query-{number + 1:02d}.jpg"
            try:
                _save_view(open_photo(path), (number, 0), query)
            except PhotoError as error:
                err.print(f"passed over: {error}")
                continue
            name = str(path.relative_to(photos))
            trials.append(_Trial(name, query, frozenset([sha256(path)])))
    if not trials:
        raise UsageError(f"--photos {printable(str(photos))}: holds no photo that can be opened")
    return trials


def _save_view(photo: Image.Image, seed: tuple[int, int], path: Path) -> None:
    view = rephotograph(prepare(photo, _LONGEST_SIDE), np.random.default_rng(seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as file:
        view.save(file, "JPEG", quality=95)


def _index(photos: Path, folder: Path, extractor: Extractor) -> Index:
    from solar.index import Index

    index = Index.open(folder, extractor) if folder.exists() else Index.create(folder, extractor)
    with progress("describing") as show:
        report = index.add(photos, progress=show)
    if report.vanished:
        index.remove(report.vanished)
    if report.failed:
        err.print(f"{len(report.failed)} skipped; see: solar info {folder}")
    return index


def _search(index: Index, trials: Sequence[_Trial]) -> list[Search]:
    from solar.index import Search

    searches = []
    with progress("searching") as show:
        for number, trial in enumerate(trials):
            show(number, len(trials))
            started = time.perf_counter()
            hits = index.search(trial.query, top=_TOP)
            seconds = time.perf_counter() - started
            searches.append(Search(trial.query, hits, seconds=seconds))
    return searches


def _ranks(search: Search, trial: _Trial) -> list[int]:
    """The ranks of right hits, from 1; an exact copy of a right photo is right too."""
    ranked = enumerate(search.hits, 1)
    return [rank for rank, hit in ranked if sha256(hit.path) in trial.answers]


def _rows(
    trials: Sequence[_Trial], searches: Sequence[Search], right: Sequence[Sequence[int]]
) -> list[tuple[str, str, str]]:
    rows = []
    for trial, search, ranks in zip(trials, searches, right, strict=True):
        score = f"{search.hits[ranks[0] - 1].score:.3f}" if ranks else "-"
        places = ", ".join(map(str, ranks)) or f"none of the first {len(search.hits)}"
        rows.append((trial.name, places, score))
    return rows


def _write_page(page: Path, searches: Sequence[Search]) -> None:
    from solar.web import write_page

    write_page(page, searches, title="Solar: photos found again")


def _main(
    photos: Annotated[
        Path | None, typer.Option(help="Your own folder, instead of the sample photos.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder for the views, the index and the page.")] = Path(
        "demo"
    ),
) -> None:
    """Photograph photos again, and find them again."""
    try:
        demo(to, photos)
    except (SolarError, OSError) as error:
        err.print(f"demo: {error}")
        sys.exit(2 if isinstance(error, UsageError) else 1)
    if photos is None:
        out.print("with your own photos: make demo PHOTOS=~/Pictures")
        out.print("              or: python -m solar.demo --photos ~/Pictures")


if __name__ == "__main__":
    typer.run(_main)
