"""What an index answers: hits, photos, and what became of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from solar.extraction.extraction import Extraction
from solar.features.extraction import FeatureExtraction
from solar.index._entries import is_gone
from solar.photos import Box, DecodedPhoto, Photo, name_of


@dataclass(frozen=True)
class Hit:
    """A photo that a search found.

    Attributes:
        path: of the photo: absolute, with forward slashes.
        score: cosine of its descriptor and the query's, -1 to 1.
        id: its number in the index.
        inliers: how many of its keypoints agree with the query's; None if it was not verified.
        lines: of each inlier x1, y1 in the query and x2, y2 in this photo, as parts of their
            widths and heights.
        query: which photo of the query the lines are in, where it has several.
        probability: that it shows the query's place, 0 to 1; None if the model is not calibrated.
    """

    path: str
    score: float
    id: int
    inliers: int | None = None
    lines: tuple[tuple[float, float, float, float], ...] = ()
    query: int = 0
    probability: float | None = None

    @property
    def gone(self) -> bool:
        """Whether its file is no longer there; False for a name that is no path."""
        return Path(self.path).is_absolute() and is_gone(Path(self.path))


@dataclass(frozen=True, eq=False)
class Queried:
    """A photo that was searched with.

    Attributes:
        photo: one that is decoded is not decoded again.
        box: part of it that was searched for.
    """

    photo: Photo
    box: Box | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return name_of(self.photo)

    @property
    def clipped(self) -> Box | None:
        """The part of the box that lies in the photo, if that is not all of it."""
        if self.box is None or not isinstance(self.photo, DecodedPhoto):
            return None
        width, height = self.photo.size
        x1, y1, x2, y2 = self.box
        part = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
        return part if part != self.box else None


@dataclass(frozen=True, eq=False)
class Search:
    """One search and what it found.

    Attributes:
        query: the photo; one that is decoded is not decoded again.
        hits: best first.
        box: part of the query that was searched with.
        seconds: that it took, if known.
        alike: whether anything found is more alike than unrelated photos are; see `alike`.
        others: more photos of the same place that were searched with.
        photos: how many were searched, if only probable hits were asked for.
    """

    query: Photo
    hits: Sequence[Hit]
    box: Box | None = None
    seconds: float | None = None
    alike: bool = True
    others: Sequence[Queried] = ()
    photos: int = 0

    @property
    def queries(self) -> list[Queried]:
        """All photos that were searched with."""
        return [Queried(self.query, self.box), *self.others]

    @property
    def name(self) -> str:
        """What the query is called."""
        return ", ".join(each.name for each in self.queries)

    @property
    def nothing(self) -> str:
        """What to say where there is no hit."""
        if not self.photos:
            return "the index holds no photo"
        return f"none of the {self.photos:,} photos seems to show this place"

    def to_json(self) -> dict[str, object]:
        """Plain values; a hit whose file is no longer there is `gone`.

        Where several photos were searched with, `query` and `box` are lists, and a hit with inliers
        says with which of them it shares these.
        """
        several = len(self.others) > 0
        hits = []
        for hit in self.hits:
            plain: dict[str, object] = {"path": hit.path, "score": hit.score, "id": hit.id}
            plain["probability"] = hit.probability
            plain |= {} if hit.inliers is None else {"inliers": hit.inliers}
            plain |= {"query": hit.query} if several and hit.inliers else {}
            hits.append(plain | ({"gone": True} if hit.gone else {}))
        names, boxes = [each.name for each in self.queries], [each.box for each in self.queries]
        return {
            "query": names if several else names[0],
            "box": boxes if several else boxes[0],
            "alike": self.alike,
            "hits": hits,
        }


@dataclass(frozen=True)
class IndexedPhoto:
    """A photo of an index.

    Attributes:
        id: its number, for as long as it is in the index.
        path: of its file, where it is now: absolute, with forward slashes.
        root: the folder that was added and that holds it; empty for a name that is no path.
        sha256: of the file, hexadecimal; None if it was described elsewhere.
        size: of the file in bytes; -1 if that is not known.
        has_features: whether its features are kept.
        reason: why it cannot be found, None if it can: one line that names it.
        taken: when, as 2019-07-12T18:30:00+02:00, without the zone if that is not known; None, as
            for all below, if the file does not say.
        gps: where: degrees north, degrees east.
        camera: with what.
        width: in pixels, upright.
        height: likewise.
    """

    id: int
    path: str
    root: str
    sha256: str | None
    size: int
    has_features: bool
    reason: str | None = None
    taken: str | None = None
    gps: tuple[float, float] | None = None
    camera: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class IndexInfo:
    """What an index holds.

    Attributes:
        folder: of the index.
        extraction: what its descriptors depend on.
        features: what its features depend on; None if it keeps none.
        kind: of vectors.
        server: where these are, if not in the folder, in words.
        generation: how many commits there were.
        photos: how many can be found.
        with_features: how many of these have features.
        roots: the folders that its photos are kept relative to, where they are now.
        failed: (path, reason) of photos that could not be used.
        copies: paths of photos that are the same byte for byte, group by group.
        unfinished: paths of which adding was begun and has not ended.
        size: of all files, in bytes, and of descriptors on a server.
        reclaimable: how many of these bytes `Index.compact` would free, about.
    """

    folder: Path
    extraction: Extraction
    features: FeatureExtraction | None
    kind: str
    server: str | None
    generation: int
    photos: int
    with_features: int
    roots: list[str]
    failed: list[tuple[str, str]]
    copies: list[list[str]]
    unfinished: tuple[str, ...]
    size: int
    reclaimable: int


@dataclass
class AddReport:
    """What became of the photos given to `Index.add`; paths as the index knows them now.

    Attributes:
        added: new in the index, or failed before and described now.
        changed: their content is another than before; they keep their ids.
        unchanged: described before, not touched now.
        vanished: in the index, but their file is gone; `Index.remove` takes this list.
        unreachable: likewise, but their root is missing, empty or has lost more than half of its
            photos, as when a drive is away: look before you remove them.
        duplicates: of the added and changed, those that are byte for byte the same as another
            photo: (path, that other photo's path).
        failed: (path, reason) of photos that could not be used; the reason names the file.
        still_failed: likewise, in an earlier call; these were not tried again.
        without_features: (path, reason) of photos that have none, in an index that keeps them;
            they can be found, but not verified.
        moved: (old path, new path) of roots and photos that were found to have moved.
        roots: folders that are new roots.
        left_out: one line for each kind of file or folder that was not looked at.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    still_failed: list[tuple[str, str]] = field(default_factory=list)
    without_features: list[tuple[str, str]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
