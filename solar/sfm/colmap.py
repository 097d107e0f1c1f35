"""COLMAP's database of what was exported, written by pycolmap in a process of its own.

pycolmap and Pillow bring libraries of the same names, and have crashed in one process; nothing here
imports Pillow, so that the other process, which runs this module, does not either.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from solar.errors import SolarError
from solar.files.hdf5 import array, read_hdf5

_FOCAL = 1.2  # Of the longer side: what COLMAP takes where EXIF says nothing.


def write_database(photos: Path, features: Path, matches: Path, database: Path) -> None:
    """Write a database that COLMAP's mapper can begin with.

    A camera is guessed for each photo as COLMAP does, from its EXIF facts. Two-view geometries are
    those of the matches.

    Args:
        photos: the folder that names of photos are below.
        features: the file of features of an export, see `solar.sfm.hloc`.
        matches: that of its matches.
        database: to write; replaced if it exists.

    Raises:
        SolarError: it cannot be written.
    """
    paths = [str(path.absolute()) for path in (photos, features, matches, database)]
    command = [sys.executable, "-m", __name__, *paths]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  ourselves
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why = said[-1] if said else f"pycolmap ended with {done.returncode}"
        raise SolarError(f"cannot be written ({why})", database)


def _write(photos: Path, features: Path, matches: Path, database: Path) -> None:
    import pycolmap

    partial = database.with_name(f".{database.name}.partial")
    partial.unlink(missing_ok=True)
    with (
        read_hdf5(features) as described,
        read_hdf5(matches) as matched,
        pycolmap.Database.open(partial) as target,
    ):
        numbers = {
            name: _put_photo(target, photos, name, group) for name, group in _groups(described)
        }
        for _, group in _groups(matched):
            first, second = (numbers[name] for name in group.attrs["names"])
            _put_pair(target, first, second, group)
    partial.replace(database)


def _groups(file: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and groups that hold arrays."""
    import h5py

    for name, found in file.items():
        if any(isinstance(each, h5py.Dataset) for each in found.values()):
            yield prefix + name, found
        else:
            yield from _groups(found, f"{prefix}{name}/")


def _put_photo(database: Any, photos: Path, name: str, group: Any) -> int:
    """Write a photo with its camera and keypoints; returns its number."""
    import pycolmap

    width, height = array(group, "image_size", "i", 1).tolist()
    try:
        camera = pycolmap.infer_camera_from_image(photos / name)
    except (RuntimeError, ValueError):  # a kind that COLMAP does not read
        focal = _FOCAL * max(width, height)
        camera = pycolmap.Camera.create(0, "SIMPLE_RADIAL", focal, width, height)
    image = pycolmap.Image(name=name, camera_id=database.write_camera(camera))
    number: int = database.write_image(image)
    columns = [array(group, "keypoints", "f", 2) + np.float32(0.5)]  # from the corner, as COLMAP
    columns += [array(group, "scales", "f", 1)[:, None]]
    columns += [np.deg2rad(array(group, "oris", "f", 1))[:, None]]
    database.write_keypoints(number, np.hstack(columns).astype(np.float32))
    return number


def _put_pair(database: Any, first: int, second: int, group: Any) -> None:
    """Write the matches of two photos, and the geometry that they agree with."""
    import pycolmap

    found = array(group, "matches0", "i", 1)
    rows = np.flatnonzero(found >= 0)
    matches = np.stack([rows, found[rows]], axis=1).astype(np.uint32)
    database.write_matches(first, second, matches)
    if "fundamental" not in group:
        return
    corner = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])  # from the corner to the middle
    geometry = pycolmap.TwoViewGeometry()
    geometry.config = pycolmap.TwoViewGeometryConfiguration.UNCALIBRATED
    geometry.F = corner.T @ array(group, "fundamental", "f", 2) @ corner
    geometry.inlier_matches = matches[array(group, "inliers0", "b", 1)[rows]]
    database.write_two_view_geometry(first, second, geometry)


if __name__ == "__main__":
    _write(*map(Path, sys.argv[1:]))
