"""In what senses photos are the same, and groups of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

LADDER = ("bytes", "picture", "moment", "view", "place")
"""In what sense photos are the same, the strictest first."""


@dataclass(frozen=True)
class Sameness:
    """In what sense two photos are the same, and what shows it.

    Attributes:
        rung: of `LADDER`.
        one: id of the one.
        two: id of the other.
        how: in words.
        likeness: of the pixels where both show something, up to 1; None if not looked at.
        inliers: keypoints that agree; None if not looked at.
        seconds: between them; None if one does not say.
        probability: that both show one place, 0 to 1.
    """

    rung: str
    one: int
    two: int
    how: str
    likeness: float | None = None
    inliers: int | None = None
    seconds: float | None = None
    probability: float | None = None


@dataclass(frozen=True)
class GroupedPhoto:
    """A photo of a group.

    Attributes:
        id: its number in the index.
        path: of it.
        width: in pixels, upright; None if it is not known.
        height: likewise.
        size: of the file in bytes; -1 if it is not known.
        taken: when; see `IndexedPhoto`.
        same: what joins it to the photo to keep, or to one that is joined to it; None for the photo
            to keep.
    """

    id: int
    path: str
    width: int | None
    height: int | None
    size: int
    taken: str | None
    same: Sameness | None = None


@dataclass(frozen=True)
class Group:
    """Photos that are the same.

    Attributes:
        rung: the sense in which all of them are, of `LADDER`.
        keep: id of the one to keep.
        why: that one.
        photos: the one to keep first.
    """

    rung: str
    keep: int
    why: str
    photos: tuple[GroupedPhoto, ...]


@dataclass(frozen=True)
class Duplicates:
    """All groups of a collection.

    Attributes:
        least: the weakest sense that was asked for.
        groups: the strictest first, and those of most photos first.
        unread: paths of photos that cannot be opened now, and so were not looked at.
    """

    least: str
    groups: tuple[Group, ...]
    unread: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)
