"""A data set on disk: its ground truth, and its photos by the names that stand there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from solar.datasets.ground_truth import GroundTruth, read
from solar.errors import SolarError, UsageError, some
from solar.photos import SUFFIXES, Box
from solar.typing import AnyPath


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Photos, and which of them each query should find.

    Attributes:
        ground_truth: names and labels.
        database: paths, one per database name.
        queries: paths, one per query.
        stored: boxes and protocol count pixels as they are stored, before any EXIF orientation.
    """

    ground_truth: GroundTruth
    database: Sequence[Path]
    queries: Sequence[Path]
    stored: bool = False

    def __post_init__(self) -> None:
        truth = self.ground_truth
        names, found = (len(truth.database), len(truth.queries)), (self.database, self.queries)
        if names != tuple(map(len, found)):
            raise UsageError(f"{truth.dataset}: a data set has a path for each of its names")

    def boxes(self, crop: bool) -> list[Box | None]:
        """Of the queries; None for whole photos, and for all without `crop`."""
        return [query.box if crop else None for query in self.ground_truth.queries]


def open_dataset(dataset: AnyPath, root: AnyPath | None = None) -> LabelledSet:
    """A published data set, or a folder with a ground truth, and all its photos.

    Args:
        dataset: a name such as `roxford5k`, then `gnd_NAME.pkl` or `.json` is looked for in
            `root` and `root/NAME`; or a folder that holds one `gnd_*.pkl` or `.json`.
        root: needed with a name.

    Raises:
        SolarError: no ground truth where it should be, says which file to put where; or photos are
            missing, names them.
    """
    truth, place = _ground_truth(str(dataset), root)
    found = locate([*truth.database, *(query.name for query in truth.queries)], place)
    count = len(truth.database)
    return LabelledSet(truth, found[:count], found[count:], stored=True)


def _ground_truth(dataset: str, root: AnyPath | None) -> tuple[GroundTruth, Path]:
    """The ground truth, and the folder of the photos."""
    folder = Path(dataset)
    if root is None and not folder.is_dir():
        raise UsageError(f"{dataset}: not a folder: give --root, the folder that holds its photos")
    if root is None:
        found = sorted(p for p in folder.glob("gnd_*") if p.suffix in (".pkl", ".json"))
        if len(found) != 1:
            raise SolarError(f"{folder}: holds {len(found)} files gnd_*.pkl or gnd_*.json, not one")
        return read(found[0]), folder
    for place in (Path(root), Path(root) / dataset):
        for suffix in (".pkl", ".json"):
            path = place / f"gnd_{dataset}{suffix}"
            if path.exists():
                return read(path), place
    raise SolarError(
        f"{root}: no gnd_{dataset}.pkl: put it there, or run 'solar data get {dataset} "
        f"--root {root}'"
    )


def locate(names: Sequence[str], root: AnyPath) -> list[Path]:
    """Find the photos of a list of names, with or without suffix, in ``root/jpg`` or ``root``.

    Args:
        names: such as ``paris_defense_000000``, ``a/b.jpg``.
        root: folder of the data set.

    Returns:
        One path per name.

    Raises:
        SolarError: photos are missing; names the first few and says how many.
    """
    root = Path(root)
    folders = [folder for folder in (root / "jpg", root) if folder.is_dir()]
    if not folders:
        raise SolarError(f"{root}: no such folder")
    by_name = {}
    for folder in reversed(folders):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                by_name[path.name] = by_name[path.stem] = path
    found = [by_name.get(name) or _nested(name, folders) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        raise SolarError(
            f"{folders[0]}: {len(missing)} of {len(names)} photos are missing ({some(missing)})"
        )
    return [path for path in found if path is not None]


def _nested(name: str, folders: Sequence[Path]) -> Path | None:
    """A name with folders in it, such as a row of a CSV; never outside the data set."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if len(parts.parts) < 2 or parts.is_absolute() or ".." in parts.parts or ":" in name:
        return None
    candidates = (folder / f"{parts}{suffix}" for folder in folders for suffix in ("", ".jpg"))
    return next((path for path in candidates if path.is_file()), None)
