"""The demo: places found again, from where somebody else stood. Run as `python -m solar.demo`.

Without a folder of yours it takes the photographs of the package mvtb-data, indexes them, and
searches with others of the same buildings. With a folder, it indexes that, and searches with
re-photographed views of some of its photos.
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
from solar.errors import PhotoError, SolarError, UsageError, how_to_install
from solar.files import printable, sha256, write_atomically
from solar.photos import find_photos, open_photo, prepare
from solar.photos.augment import rephotograph

if TYPE_CHECKING:
    from solar.extraction import Extractor
    from solar.index import Index, Search

# Of each query: what it shows, and which photos (by patterns) show that too; judged by eye.
_VISITS = {
    "campus/holdout/P1070492.png": ("orange brick building", "campus/P107049[134].png"),
    "campus/holdout/P1070502.png": (
        "red brick building",
        "campus/P107049[5679].png campus/P107050[01345].png",
    ),
    "campus/holdout/P1070508.png": (
        "house with columns",
        "campus/P107050[679].png campus/P107051[04].png",
    ),
    "campus/holdout/P1070511.png": ("library behind palms", "campus/P107051[25].png"),
    "campus/holdout/P1070513.png": ("library and lamp", "campus/P107051[25].png"),
    "building2-3.png": ("corner house", "building2-[12].png"),
    "eiffel-2.png": ("Eiffel Tower", "eiffel-1.png"),
    "walls-r.png": ("brick cottage", "walls-l.png"),
}
# Other photographs; what else the package has are drawings, calibration targets and sequences.
_DISTRACTORS = (
    "campus/P1070498.png 58060.png butterfly.jpg castle.png church.png flowers[1-9].png "
    "greenscreen.png image3.jpg lab-scene.png monalisa.png mosaic/aerial2-00[147].png "
    "notre-dame.png parks.png penguins.png road.png rocks2-l.png roof.png seq/im.001.png "
    "street.png tomato_[1-5]4.png"
)
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
        to: folder for index and page; made if it is not there. What an earlier run did there is
            not done again.
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
        folder, what = Path(to, "samples").resolve(), "the place that they show"
        database, trials = _samples()
    else:
        database = [Path(photos).resolve()]
        folder, what = _own_folder(Path(to).resolve(), database[0]), "the photo that they show"
        trials = _rephotograph_some(database[0], folder)
    extractor = open_extractor(model)
    # An index for each model: one that an earlier version made stays as it is.
    kept = folder / f"index-{extractor.extraction.fingerprint[:8]}"
    index = _index(database, kept, extractor)
    searches = _search(index, trials)
    right = [_ranks(search, trial) for search, trial in zip(searches, trials, strict=True)]
    table(_rows(trials, searches, right), ("query", "shows", "right at rank", "of", "score"))
    found = sum(1 in ranks for ranks in right)
    out.print(f"{found} of {len(trials)} queries found {what} first, among {len(index)} photos")
    page = folder / "result.html"
    _write_page(page, searches)
    out.print(f"page: {page}")
    if not any(right):
        raise SolarError(f"no query found {what} among the first {_TOP}: is the model trained?")
    out.print(f"search on: solar search {kept} QUERY.jpg --html result.html")
    return page


def _samples() -> tuple[list[Path], list[_Trial]]:
    """The photographs to be indexed, and the queries; the package itself is not imported."""
    spec = find_spec("mvtbdata")
    folder = Path(*(spec and spec.submodule_search_locations) or (".",), "images")
    trials, right = [], set()
    for query, (name, patterns) in _VISITS.items():
        answers = _matching(folder, patterns)
        right.update(answers)
        trials.append(_Trial(name, folder / query, frozenset(map(sha256, answers))))
    return sorted({*right, *_matching(folder, _DISTRACTORS)}), trials


def _matching(folder: Path, patterns: str) -> list[Path]:
    found = [path for pattern in patterns.split() for path in folder.glob(pattern)]
    if not found:
        raise UsageError(
            f"the demo's photos come with the package mvtb-data: {how_to_install('demo')}, "
            "or take your own with --photos FOLDER"
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


def _index(photos: list[Path], folder: Path, extractor: Extractor) -> Index:
    from solar.index import Index, index_photos

    with progress("describing") as show:
        done = index_photos(folder, photos, model=extractor, prune=True, progress=show)
    if done.report.failed:
        err.print(f"{len(done.report.failed)} skipped; see: solar info {folder}")
    return Index.open(folder, extractor)


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
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for trial, search, ranks in zip(trials, searches, right, strict=True):
        score = f"{search.hits[ranks[0] - 1].score:.3f}" if ranks else "-"
        found = ", ".join(map(str, ranks)) or f"none of the first {len(search.hits)}"
        rows.append((trial.query.stem, trial.name, found, str(len(trial.answers)), score))
    return rows


def _write_page(page: Path, searches: Sequence[Search]) -> None:
    from solar.web import write_page

    write_page(page, searches, title="Solar: places found again")


def _main(
    photos: Annotated[
        Path | None, typer.Option(help="Your own folder, instead of the sample photos.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder for the views, the index and the page.")] = Path(
        "demo"
    ),
) -> None:
    """Find places again, in photos taken from elsewhere."""
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
