"""Photos with labels: which place each shows, from any of the lists that data sets come as."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from solar.datasets.places.csv import COLUMNS, read_csv
from solar.datasets.places.folders import read_folders
from solar.datasets.places.pairs import read_pairs
from solar.datasets.places.rows import Problems
from solar.datasets.places.sfm import Part, read_sfm
from solar.datasets.places.table import Places
from solar.errors import SolarError, UsageError
from solar.files import printable

__all__ = ["Part", "Places", "Problems", "open_places", "read_places"]

_KINDS = (
    f"a folder whose sub-folders are places, a .csv with the columns {COLUMNS}, a .jsonl of "
    "pairs (query, positive), or retrieval-SfM-120k.pkl or -whiten.pkl"
)


def open_places(
    source: str | Path,
    *,
    photos: str | Path | None = None,
    boxes: Sequence[str | Path] = (),
    part: Part = "train",
) -> Places:
    """Open photos with labels. The photos themselves are not looked at.

    Args:
        source: a folder whose sub-folders are places; a CSV `path,place[,box]`; `train.csv` of
            Google Landmarks v1 or v2, or `train_clean.csv` of v2; pairs as JSON lines; or
            `retrieval-SfM-120k.pkl` or its `-whiten.pkl`. `read_csv`, `read_pairs` and `read_sfm`
            say more.
        photos: folder that paths and ids in the list refer to; None: the list's own folder, of
            SfM-120k the folder `ims` beside it.
        boxes: files `id,box` of Google Landmarks v1.
        part: of SfM-120k.

    Raises:
        UsageError: the source is missing or none of these, or rows have errors: names the first
            and says how many.
        SolarError: a file cannot be read.
    """
    places, problems = read_places(source, photos=photos, boxes=boxes, part=part)
    if problems.count:
        first = f"{problems.kept[0]}"
        more = f"{problems.count} rows in all have errors: " if problems.count > 1 else ""
        raise UsageError(f"{first}; {more}see them with 'solar data check'")
    if not len(places):
        raise UsageError(f"{printable(str(source))}: holds no photos")
    return places


def read_places(
    source: str | Path,
    *,
    photos: str | Path | None = None,
    boxes: Sequence[str | Path] = (),
    part: Part = "train",
) -> tuple[Places, Problems]:
    """Read what can be read, for a check.

    Args:
        source: as for `open_places`; so are the others.
        photos: their folder.
        boxes: their boxes.
        part: of SfM-120k.

    Returns:
        The photos of rows without errors, and the errors in the order of the rows.

    Raises:
        UsageError: the source is missing or of no kind known here.
        SolarError: a file cannot be read.
    """
    source, problems = Path(source), Problems()
    folder = None if photos is None else Path(photos)
    try:
        places = _read(source, folder, [Path(file) for file in boxes], part, problems)
    except FileNotFoundError as error:
        raise UsageError(f"{printable(str(error.filename))}: no such file or folder") from error
    except OSError as error:
        name = printable(str(error.filename or source))
        raise SolarError(f"{name}: cannot be read ({error.strerror})") from error
    order = {file: number for number, file in enumerate([*map(Path, boxes), source])}
    problems.kept.sort(key=lambda problem: (order.get(problem.file, 0), problem.row or 0))
    return places, problems


def _read(
    source: Path, photos: Path | None, boxes: Sequence[Path], part: Part, problems: Problems
) -> Places:
    kind = "folder" if source.is_dir() else source.suffix.lower()
    if photos is not None and (kind == "folder" or not photos.is_dir()):
        reason = "the source is one itself" if kind == "folder" else "no such folder"
        raise UsageError(f"photos' folder {printable(str(photos))}: {reason}")
    if boxes and kind != ".csv":
        raise UsageError(f"{boxes[0]}: boxes belong to Google's train.csv, not to {source}")
    if part != "train" and kind != ".pkl":
        raise UsageError(f"{source}: has no part {part!r}: only SfM-120k has")
    if kind == "folder":
        return read_folders(source, problems)
    for file in (source, *boxes):
        file.stat()  # a missing file is missing whatever its suffix
        if not file.is_file():  # reading a pipe could wait for ever
            raise UsageError(f"{printable(str(file))}: not a regular file")
    if kind == ".csv":
        return read_csv(source, photos or source.parent, boxes, problems)
    if kind == ".jsonl":
        return read_pairs(source, photos or source.parent, problems)
    if kind == ".pkl":
        return read_sfm(source, photos or source.parent / "ims", part)
    raise UsageError(f"{printable(str(source))}: none of the known kinds: {_KINDS}")
