"""The files of hloc (cvg/Hierarchical-Localization): a group for each photo, or pair of photos.

hloc counts pixels from the middle of the first one, COLMAP from its corner; whoever moves from one
to the other adds half a pixel. Beside what hloc reads, a pair's group has the names of both photos
and the geometry that its matches agree with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from solar.errors import SolarError
from solar.files import write_atomically
from solar.files.hdf5 import array
from solar.sfm.matching import Local, Matched
from solar.sfm.photos import Points, SfmPhoto
from solar.typing import Descriptor, Descriptors
from solar.unit import of_unit_length

GLOBAL = "global-feats-solar.h5"
FEATURES = "feats-solar.h5"
MATCHES = "matches-solar.h5"
PAIRS = "pairs.txt"
DATABASE = "database.db"


def put_global(file: Any, name: str, descriptor: Descriptor) -> None:
    """A photo's descriptor (D,)."""
    file.create_group(name)["global_descriptor"] = descriptor


def put_features(file: Any, photo: SfmPhoto, points: Points, descriptors: Descriptors) -> None:
    """A photo's keypoints with their descriptors (N, D), which hloc keeps as (D, N)."""
    group = file.create_group(photo.name)
    group["keypoints"] = points.xy
    group["scales"] = points.scales
    group["oris"] = points.angles
    group["descriptors"] = descriptors.T.astype(np.float16)
    group["image_size"] = np.array(photo.size, np.int64)


def get_local(file: Any, name: str) -> Local:
    """What is matched of a photo.

    Raises:
        ValueError: it is not what `put_features` writes.
    """
    group = file[name]
    rows = array(group, "descriptors", "f", 2).T.astype(np.float32)
    width, height = array(group, "image_size", "i", 1).tolist()
    return Local(
        array(group, "keypoints", "f", 2),
        of_unit_length(rows),
        array(group, "scales", "f", 1),
        array(group, "oris", "f", 1),
        (width, height),
    )


def put_matches(file: Any, names: tuple[str, str], count: int, found: Matched) -> None:
    """The matches of two photos.

    Args:
        file: opened to be written.
        names: of both photos.
        count: keypoints of the first.
        found: their matches.

    Raises:
        SolarError: hloc would take the names for those of another pair.
    """
    first, second = names
    key = f"{first.replace('/', '-')}/{second.replace('/', '-')}"
    if key in file:
        raise SolarError(
            f"{first}, {second}: hloc has one name for them and for another pair, {key}: "
            "rename a folder or a photo"
        )
    matches = found.matches
    rows = np.full(count, -1, np.int16 if count < 1 << 15 else np.int32)
    scores = np.zeros(count, np.float16)
    rows[matches.first] = matches.second
    scores[matches.first] = 1 - matches.distance**2 / 2  # the cosine
    group = file.create_group(key)
    group.attrs["names"] = [first, second]
    group["matches0"], group["matching_scores0"] = rows, scores
    if found.fundamental is not None:
        inlier = np.zeros(count, bool)
        inlier[matches.first] = found.inliers
        group["inliers0"], group["fundamental"] = inlier, found.fundamental


def write_pairs(path: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """A line for each pair, both names with a space between."""
    with write_atomically(path) as file:
        file.write("".join(f"{first} {second}\n" for first, second in pairs).encode())
