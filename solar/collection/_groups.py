"""Groups of photos that are the same, and which of each to keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from solar.collection._communities import components
from solar.collection._pictures import sharpness
from solar.collection.sameness import LADDER, Group, GroupedPhoto, Sameness
from solar.index import IndexedPhoto

AS_MANY = 0.95
"""Part of the most pixels that counts as as many."""
AS_SHARP = 0.9
"""Part of the greatest sharpness that counts as as sharp: encoding adds some of its own."""


def groups_of(known: dict[int, IndexedPhoto], found: Sequence[Sameness]) -> list[Group]:
    """The groups that pairs join photos to, the strictest and the largest first.

    Args:
        known: all photos, by id.
        found: what joins two of them.
    """
    ids = sorted(known)
    at = {number: position for position, number in enumerate(ids)}
    pairs = np.array([(at[same.one], at[same.two]) for same in found], np.int64).reshape(-1, 2)
    joined: dict[int, list[Sameness]] = {}
    for same in found:
        joined.setdefault(same.one, []).append(same)
        joined.setdefault(same.two, []).append(same)
    groups = []
    for group in components(len(ids), pairs):
        if len(group) > 1:
            photos = [known[ids[position]] for position in group]
            groups.append(_group(photos, joined))
    return sorted(groups, key=lambda g: (LADDER.index(g.rung), -len(g.photos), g.keep))


def _group(photos: Sequence[IndexedPhoto], joined: dict[int, list[Sameness]]) -> Group:
    """A group: from the photo to keep, the others by the strictest of what joins them."""
    keep, why = _to_keep(photos)
    left = {photo.id: photo for photo in photos}
    members = [_grouped(left.pop(keep.id), None)]
    reached = {keep.id}
    border = list(joined[keep.id])
    while left:
        joining = [each for each in border if (each.one in left) != (each.two in left)]
        same = min(joining, key=lambda each: _strictness(each, keep.id))
        new = same.one if same.one in left else same.two
        members.append(_grouped(left.pop(new), same))
        reached.add(new)
        border += joined[new]
    rungs = [LADDER.index(photo.same.rung) for photo in members if photo.same is not None]
    return Group(LADDER[max(rungs)], keep.id, why, tuple(members))


def _strictness(same: Sameness, keep: int) -> tuple[int, bool, float, float]:
    """The strictest rung first, and of one rung what joins a photo to the one to keep itself."""
    apart = keep not in (same.one, same.two)
    return LADDER.index(same.rung), apart, -(same.likeness or 0), -(same.probability or 0)


def _grouped(photo: IndexedPhoto, same: Sameness | None) -> GroupedPhoto:
    return GroupedPhoto(
        photo.id, photo.path, photo.width, photo.height, photo.size, photo.taken, same
    )


def _to_keep(photos: Sequence[IndexedPhoto]) -> tuple[IndexedPhoto, str]:
    """The photo to keep, and why: pixels, then sharpness, then bytes, then who came first."""
    if len({photo.sha256 for photo in photos}) == 1 and photos[0].sha256 is not None:
        return min(photos, key=lambda photo: photo.id), "all are the same bytes; the first"
    most = max(map(_pixels, photos))
    largest = [photo for photo in photos if _pixels(photo) >= AS_MANY * most]
    if len(largest) == 1:
        next_most = max(_pixels(photo) for photo in photos if photo is not largest[0])
        told = f"most pixels: {most / 1e6:.2f} million, the next has {next_most / 1e6:.2f}"
        return largest[0], told
    contents = {photo.sha256 or photo.path: photo for photo in reversed(largest)}
    sharp = {content: sharpness(photo.path) or 0.0 for content, photo in contents.items()}
    best = max(sharp.values())
    sharpest = [
        photo for content, photo in contents.items() if sharp[content] >= AS_SHARP * best > 0
    ]
    if len(sharpest) == 1 and len(contents) > 1:
        others = max(value for value in sharp.values() if value != best)
        told = f"as many pixels, sharpest: {best:.1f}, the next {others:.1f}"
        return sharpest[0], told
    heaviest = max(sharpest or largest, key=lambda photo: (photo.size, -photo.id))
    return heaviest, f"as many pixels, as sharp, most bytes: {heaviest.size:,}"


def _pixels(photo: IndexedPhoto) -> int:
    return (photo.width or 0) * (photo.height or 0)
