"""What an index answers: hits, and what became of photos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from solar.features.extraction import FeatureExtraction
from solar.index.manifest import Settings


@dataclass(frozen=True)
class Hit:
    """A photo that a search found.

    Attributes:
        path: of the photo: absolute, with forward slashes.
        score: inner product of its descriptor and the query's, -1 to 1.
        id: its number in the index.
        inliers: how many of its keypoints agree with the query's; None if it was not verified.
        lines: of each inlier x1, y1 in the query and x2, y2 in this photo, as parts of their
            widths and heights.
    """

    path: str
    score: float
    id: int
    inliers: int | None = None
    lines: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class LocalInfo:
    """The features beside an index.

    Attributes:
        extraction: how they are made.
        photos: how many photos of the index have them.
        size: of their data files, in bytes.
        reclaimable: how many of their sets of features belong to no photo any more.
    """

    extraction: FeatureExtraction
    photos: int
    size: int
    reclaimable: int


@dataclass(frozen=True)
class IndexInfo:
    """What an index holds.

    Attributes:
        folder: of the index.
        settings: the model and the extraction settings.
        photos: how many can be found.
        failed: (path, reason) of those that could not be used.
        size: of the data files, in bytes.
        reclaimable: how many of these bytes `Index.compact` would free, about.
        local: of features, None if the index keeps none.
    """

    folder: Path
    settings: Settings
    photos: int
    failed: list[tuple[str, str]]
    size: int
    reclaimable: int
    local: LocalInfo | None = None


@dataclass
class AddReport:
    """What became of the photos given to `Index.add`; paths as the index stores them.

    Attributes:
        added: new in the index, or failed before and described now.
        changed: their content is another than before; they keep their ids.
        unchanged: described before, not touched now.
        vanished: in the index, but their file is gone; `Index.remove` takes this list.
        duplicates: of the added and changed, those that are byte for byte the same as another
            photo: (path, that other photo's path).
        failed: (path, reason) of photos that could not be used, now or earlier; the reason
            names the file.
        without_features: (path, reason) of photos of which no features could be made, in an index
            that keeps them; they can be found, but not verified.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    without_features: list[tuple[str, str]] = field(default_factory=list)
