"""An index written as what hloc and COLMAP begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from solar.errors import SolarError, UsageError, require_package
from solar.extraction import Failed
from solar.features import DEFAULT, FeatureExtractor, Features, open_feature_extractor
from solar.files import claim_folder
from solar.files.hdf5 import read_hdf5, write_hdf5
from solar.index import Index
from solar.sfm import hloc
from solar.sfm.colmap import write_database
from solar.sfm.matching import Local, Matched, Matcher, match_local, nearest
from solar.sfm.pairs import Pair, pairs_of
from solar.sfm.photos import SfmPhoto, names_with_spaces, open_photos, points_of
from solar.typing import AnyPath, Progress

TOP = 20
KEYPOINTS = 4096
IMAGE_SIZE = 1600
_AT_ONCE = 64  # Photos of which features are in memory.


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: that holds it.
        photos: the folder that names of photos are below.
        names: of the photos.
        pairs: of them that were matched and written.
        agreeing: pairs whose matches agree with one geometry.
        left_out: a line for each photo that could not be exported.
        split: names in which hloc sees several, because of their spaces.
    """

    folder: Path
    photos: Path
    names: tuple[str, ...]
    pairs: int
    agreeing: int
    left_out: tuple[str, ...]
    split: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "folder": str(self.folder),
            "photos": self.photos.as_posix(),
            "names": list(self.names),
            "pairs": self.pairs,
            "agreeing": self.agreeing,
            "left_out": list(self.left_out),
        }


def export_hloc(
    index: Index,
    to: AnyPath,
    *,
    top: int = TOP,
    verified: bool = False,
    features: FeatureExtractor | None = None,
    kept: bool = False,
    matcher: Matcher = nearest,
    database: bool = False,
    where: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write descriptors, features and matches of an index as hloc's files, and pairs of photos.

    Args:
        index: at its commit; the files of its photos must be there.
        to: a folder, made if missing.
        top: how many of its nearest each photo is matched with.
        verified: leave out pairs whose matches agree with no geometry.
        features: what makes the features; None for up to 4,096 keypoints of copies of up to 1,600
            pixels, described as those that the index keeps.
        kept: take the features that the index keeps, fewer and of smaller copies, instead.
        matcher: of the features of two photos.
        database: write COLMAP's database too, ready for its mapper (extra `sfm`).
        where: only photos that this filter lets through; see `solar.index.where`.
        overwrite: replace what was exported with other settings.
        progress: called with photos and pairs done, and of all.

    Raises:
        UsageError: the folder holds something else, features are to be kept ones where there are
            none, `top` is not positive, or the filter cannot be read.
        SolarError: fewer than two photos can be exported, or COLMAP's database cannot be written.
        MissingPackage: h5py, or for the database pycolmap, is not installed.
    """
    for package in ("h5py", "pycolmap") if database else ("h5py",):
        require_package(package)
    maker = None if kept else features or open_features(index)
    made = index.feature_extraction if maker is None else maker.extraction
    if made is None:
        raise UsageError("keeps no features: leave --kept out", index.place)
    folder, photos, left_out = open_photos(index, where)
    settings = {
        "index": index.extraction.to_json(),
        "features": made.to_json(),
        "top": top,
        "verified": verified,
        "database": database,
        "where": where,
    }
    written = [hloc.GLOBAL, hloc.FEATURES, hloc.MATCHES, hloc.PAIRS, hloc.DATABASE]
    claim_folder(to, settings, written, overwrite=overwrite)
    work = _Work(index, Path(to), progress or (lambda done, total: None), len(photos))
    photos, without = work.features(photos, maker)
    work.descriptors(photos)
    pairs = pairs_of(index, [photo.id for photo in photos], top)
    match = partial(match_local, matcher=matcher, image_size=made.image_size)
    matched, agreeing = work.matches(photos, pairs, match, verified=verified)
    hloc.write_pairs(Path(to, hloc.PAIRS), matched)
    if database:
        files = (Path(to, name) for name in (hloc.FEATURES, hloc.MATCHES, hloc.DATABASE))
        write_database(folder, *files)
    names = tuple(photo.name for photo in photos)
    left_out = [*left_out, *without]
    split = tuple(names_with_spaces(photos))
    return Exported(Path(to), folder, names, len(matched), agreeing, tuple(left_out), split)


def open_features(
    index: Index,
    device: str = "auto",
    precision: str = "auto",
    *,
    keypoints: int = KEYPOINTS,
    image_size: int = IMAGE_SIZE,
) -> FeatureExtractor:
    """What makes more features of larger copies, described as those that an index keeps.

    Of SIFT's keypoints, faint ones too.

    Args:
        index: that may keep features; if not, they are described by `solar.features.DEFAULT`.
        device: see `solar.features.open_feature_extractor`.
        precision: see there.
        keypoints: see there.
        image_size: see there.

    Raises:
        CheckpointError: the network of the descriptors cannot be loaded.
        UsageError: there is no such descriptor any more.
    """
    made = index.feature_extraction
    name = DEFAULT if made is None else made.descriptor
    detector = "sift-faint" if made is None or made.detector == "sift" else made.detector
    return open_feature_extractor(
        name, device, precision, detector=detector, keypoints=keypoints, image_size=image_size
    )


class _Work:
    """The steps, each of which writes one file."""

    def __init__(self, index: Index, to: Path, progress: Progress, photos: int) -> None:
        self._index, self._to, self._progress = index, to, progress
        self._done, self._total = 0, photos

    def _step(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)

    def features(
        self, photos: Sequence[SfmPhoto], maker: FeatureExtractor | None
    ) -> tuple[list[SfmPhoto], list[str]]:
        """Write the features of photos; returns those that have some, and why others do not."""
        used, without = [], []
        with write_hdf5(self._to / hloc.FEATURES) as file:
            for photo, found in self._features(photos, maker):
                if isinstance(found, Features):
                    points = points_of(found, photo)
                    hloc.put_features(file, photo, points, found.unit_descriptors)
                    used.append(photo)
                else:
                    without.append(found)
                self._step()
        if len(used) < 2:
            raise SolarError(f"no two photos have features ({without[0]})", self._index.place)
        return sorted(used, key=lambda photo: photo.id), without

    def _features(
        self, photos: Sequence[SfmPhoto], maker: FeatureExtractor | None
    ) -> Iterator[tuple[SfmPhoto, Features | str]]:
        if maker is not None:
            for found in maker.describe([photo.path for photo in photos]):
                what = found.reason if isinstance(found, Failed) else found.features
                yield photos[found.position], what
            return
        for start in range(0, len(photos), _AT_ONCE):
            part = photos[start : start + _AT_ONCE]
            kept = self._index.features([photo.id for photo in part])
            for photo, features in zip(part, kept, strict=True):
                yield photo, features or f"{photo.path}: the index keeps no features of it"

    def descriptors(self, photos: Sequence[SfmPhoto]) -> None:
        """Write the descriptors of photos."""
        with write_hdf5(self._to / hloc.GLOBAL) as file:
            for start in range(0, len(photos), _AT_ONCE):
                part = photos[start : start + _AT_ONCE]
                rows = self._index.descriptors(photo.id for photo in part)
                for photo, row in zip(part, rows, strict=True):
                    hloc.put_global(file, photo.name, row)

    def matches(
        self,
        photos: Sequence[SfmPhoto],
        pairs: Sequence[Pair],
        match: Callable[[Local, Local], Matched],
        *,
        verified: bool,
    ) -> tuple[list[tuple[str, str]], int]:
        """Write the matches of pairs; returns the names of those written, and how many agree."""
        written, agreeing = [], 0
        self._total += len(pairs)
        source, target = self._to / hloc.FEATURES, self._to / hloc.MATCHES
        with read_hdf5(source) as features, write_hdf5(target) as file:
            local: Any = lru_cache(_AT_ONCE)(partial(hloc.get_local, features))
            for first, second in pairs:
                names = photos[first].name, photos[second].name
                one, two = map(local, names)
                found = match(one, two)
                agreeing += found.fundamental is not None
                if found.fundamental is not None or not verified:
                    hloc.put_matches(file, names, len(one.xy), found)
                    written.append(names)
                self._step()
        return written, agreeing
