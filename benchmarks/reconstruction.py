"""Scenes reconstructed by COLMAP's mapper: from Solar's export, and from pycolmap's own SIFT.

    python benchmarks/reconstruction.py PHOTOS [--scene fountain] [--top 20]

PHOTOS is a folder, or a zip, with a folder for each scene. Solar gives keypoints, descriptors,
pairs and matches (`solar export-hloc`), pycolmap the cameras' first guess and the mapper; beside
it, pycolmap extracts, matches every pair and maps. Both see the same pixels, as PNG, for pycolmap
reads no WebP. pycolmap runs in processes of its own: beside Pillow it has crashed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from solar.index import Index
from solar.photos import find_photos, open_photo
from solar.sfm.export import export_hloc
from solar.sfm.hloc import DATABASE

HEADS = "| scene | photos | registered | SIFT | error px | SIFT | ratio | points | SIFT | s |"

_SIFT = """
import sys, pycolmap
database, photos = sys.argv[1:]
pycolmap.extract_features(database, photos)
pycolmap.match_exhaustive(database)
"""
_MAPPER = """
import json, sys, pycolmap
database, photos, to = sys.argv[1:]
found = pycolmap.incremental_mapping(database, photos, to)
best = max(found.values(), key=lambda model: model.num_reg_images(), default=None)
print(json.dumps({
    "registered": best.num_reg_images() if best else 0,
    "error": best.compute_mean_reprojection_error() if best else None,
    "points": best.num_points3D() if best else 0,
    "track": best.compute_mean_track_length() if best else None,
}))
"""


@dataclass(frozen=True)
class Model:
    """What the mapper made of a scene.

    Attributes:
        registered: cameras of the largest model.
        error: mean reprojection error, pixels; NaN without a model.
        points: in space.
        track: photos that see a point, on average.
        seconds: of all that led to it.
    """

    registered: int
    error: float
    points: int
    track: float
    seconds: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--scene", action="append", help="only this; may be repeated")
    parser.add_argument("--top", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenes = unpack(options.photos, Path(folder), options.scene)
        print(HEADS, "| --- |" + " ---: |" * 9, sep="\n")
        for scene in scenes:
            print(row(scene, options.top), flush=True)


def row(scene: Path, top: int) -> str:
    """A line of the table: Solar's model of a scene beside that of pycolmap's SIFT."""
    photos = len(list(scene.iterdir()))
    ours, sift = by_solar(scene, top), by_sift(scene)
    cells = (
        scene.name, photos, ours.registered, sift.registered, f"{ours.error:.3f}",
        f"{sift.error:.3f}", f"{ours.error / sift.error:.2f}", ours.points, sift.points,
        f"{ours.seconds:.0f}",
    )  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def unpack(photos: Path, to: Path, names: list[str] | None = None) -> list[Path]:
    """A folder of PNG files for each scene of a folder, or of a zip."""
    if photos.suffix == ".zip":
        with zipfile.ZipFile(photos) as archive:
            archive.extractall(to / "all")
        photos = to / "all"
    scenes = []
    for path in find_photos(photos):
        if names is None or path.parent.name in names:
            scene = to / "scenes" / path.parent.name
            scene.mkdir(parents=True, exist_ok=True)
            scenes.append(scene)
            open_photo(path).save(scene / f"{path.stem}.png")
    shutil.rmtree(to / "all", ignore_errors=True)
    return list(dict.fromkeys(scenes))


def by_solar(photos: Path, top: int = 20) -> Model:
    """The mapper's model of Solar's export."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = Index.create(folder / "index", local=None)
        index.add(photos)
        export_hloc(index, folder / "export", top=top, database=True)
        return _mapped(folder / "export" / DATABASE, photos, folder, started)


def by_sift(photos: Path) -> Model:
    """The mapper's model of pycolmap's own SIFT, every photo matched with every other."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        database = Path(name, DATABASE)
        _run(_SIFT, database, photos)
        return _mapped(database, photos, Path(name), started)


def _mapped(database: Path, photos: Path, folder: Path, started: float) -> Model:
    (folder / "models").mkdir()
    found = json.loads(_run(_MAPPER, database, photos, folder / "models").splitlines()[-1])
    seconds = time.monotonic() - started
    nan = float("nan")
    return Model(
        found["registered"], found["error"] or nan, found["points"], found["track"] or nan, seconds
    )


def _run(script: str, *arguments: Path) -> str:
    """Run pycolmap in a process of its own; returns what it printed."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  ourselves
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


if __name__ == "__main__":
    main()
