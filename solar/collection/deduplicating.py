"""Photos that are the same, and in what sense: the ladder of sameness, with evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from solar.collection._alignment import aligned, mirrored
from solar.collection._groups import groups_of
from solar.collection._pictures import Looks, Verdict, same_picture
from solar.collection._turned import may_be_turned
from solar.collection.grouping import LIKELY, communities
from solar.collection.links import Links, links_of
from solar.collection.sameness import LADDER, Duplicates, Sameness
from solar.errors import UsageError
from solar.index import Index, IndexedPhoto
from solar.rerank.geometric import CHANCE
from solar.typing import Progress

NEAR = 0.4
"""Cosine from which on two photos may be one picture."""
MOMENT = 10.0
"""Seconds between photos of one moment, at most."""
VIEW = 0.7
"""Part of each of two photos of one view that the other shows too."""
VIEW_ZOOM = 1.5
"""Between these two, at most."""
VIEW_SPREAD = 0.2
"""Part of both sides of each that keypoints must extend over: an agency's bar below it does not."""


def duplicates(
    index: Index,
    least: str = "picture",
    progress: Progress | None = None,
) -> Duplicates:
    """Find photos that are the same; none is changed or deleted.

    The rungs: the same `bytes`; the same `picture`, encoded anew, resized, mirrored, turned by
    quarters or cropped, which pixels show; the same `moment`, seconds apart and alike; the same
    `view`, of which keypoints show that each photo holds most of the other; the same `place`, see
    `solar.collection.places`. Only near photos are compared, see `links_of`.

    Args:
        index: at its commit; photos are read from their files.
        least: the weakest rung to find.
        progress: called with the number of photos compared, and of all that must be; and then of
            pairs whose pixels are looked at.

    Raises:
        UsageError: there is no such rung.
        IndexDamaged: a descriptor or features are damaged.
    """
    if least not in LADDER:
        raise UsageError(f"sameness {least!r:.40}: use one of {', '.join(LADDER)}")
    depth = LADDER.index(least)
    known = {photo.id: photo for photo in index.photos() if photo.reason is None}
    found = _same_bytes(known.values())
    unread: set[str] = set()
    if depth:
        links = links_of(index, progress)
        seen = _Seen(index, known, links, found)
        looks = Looks()
        found += seen.pictures(looks, progress)
        unread = looks.unread
        ways = (seen.moments, seen.views, seen.places)
        for way in ways[: depth - 1]:
            found += way()
    return Duplicates(least, tuple(groups_of(known, found)), tuple(sorted(unread)))


def _same_bytes(photos: Iterable[IndexedPhoto]) -> list[Sameness]:
    first: dict[str, int] = {}
    found = []
    for photo in photos:
        if photo.sha256 is None:
            continue
        kept = first.setdefault(photo.sha256, photo.id)
        if kept != photo.id:
            found.append(Sameness("bytes", kept, photo.id, "the same bytes"))
    return found


class _Seen:
    """Pairs of near photos, of those with the same bytes the first only."""

    def __init__(
        self,
        index: Index,
        known: dict[int, IndexedPhoto],
        links: Links,
        copies: Sequence[Sameness],
    ) -> None:
        self.index, self.known, self.links = index, known, links
        first = self.first = {same.two: same.one for same in copies}
        self.pairs: dict[tuple[int, int], int] = {}  # to the position among the links
        ids = links.ids.tolist()
        for position, (one, two) in enumerate(links.pairs.tolist()):
            a, b = first.get(ids[one], ids[one]), first.get(ids[two], ids[two])
            if a != b:
                self.pairs.setdefault((min(a, b), max(a, b)), position)

    def _near(self, test: Callable[[int], bool]) -> list[tuple[int, int, int]]:
        return [(*pair, position) for pair, position in self.pairs.items() if test(position)]

    def _same(self, rung: str, one: int, two: int, position: int | None, how: str) -> Sameness:
        apart = seconds_apart(self.known[one].taken, self.known[two].taken)
        if position is None:
            return Sameness(rung, one, two, how, seconds=apart)
        inliers = int(self.links.inliers[position])
        probable = float(self.links.probabilities[position])
        return Sameness(rung, one, two, how, None, None if inliers < 0 else inliers, apart,
                        round(probable, 4))  # fmt: skip

    def pictures(self, looks: Looks, progress: Progress | None) -> list[Sameness]:
        """Pairs that are one picture."""
        near: list[tuple[int, int, int | None]] = [
            *self._near(lambda position: bool(self.links.cosines[position] >= NEAR))
        ]
        seen = {(one, two) for one, two, _ in near}
        single = [number for number in self.links.ids.tolist() if number not in self.first]
        turned = set(may_be_turned(self.index, single)) - seen
        near += [(*pair, self.pairs.get(pair)) for pair in sorted(turned)]
        found = []
        for done, (one, two, position) in enumerate(near, 1):
            verdict = self._looked(one, two, looks)
            if verdict is not None:
                same = self._same("picture", one, two, position, verdict.how)
                like = round(verdict.likeness, 3)
                found.append(replace(same, likeness=like, inliers=verdict.inliers or same.inliers))
            if progress is not None:
                progress(done, len(near))
        return found

    def _looked(self, one: int, two: int, looks: Looks) -> Verdict | None:
        photos = self.known[one], self.known[two]
        apart = seconds_apart(photos[0].taken, photos[1].taken)
        if apart is not None and apart > 1:
            return None  # a copy was taken when the original was
        made = self.index.feature_extraction
        features = self.index.features([one, two])
        alignments = []
        if made is not None and features[0] is not None and features[1] is not None:
            alignments.append(aligned(features[0], features[1]))
            if alignments == [None]:
                turned = mirrored(features[0], made.descriptor)
                across = None if turned is None else aligned(turned, features[1])
                alignments = [None if across is None else across.of_mirrored()]
        sides = [(photo.width or 0, photo.height or 0) for photo in photos]
        return same_picture(looks, photos[0].path, photos[1].path, sides, alignments[:1])

    def moments(self) -> list[Sameness]:
        """Pairs that were taken at one moment, and show one place."""
        found = []
        for one, two, position in self._near(self._likely):
            apart = seconds_apart(self.known[one].taken, self.known[two].taken)
            if apart is not None and apart <= MOMENT:
                how = f"{apart:.0f} s apart"
                found.append(self._same("moment", one, two, position, how))
        return found

    def views(self) -> list[Sameness]:
        """Pairs each of which shows most of the other."""
        found = []
        likely = self._near(
            lambda position: self._likely(position) and self.links.inliers[position] > CHANCE
        )
        for one, two, position in likely:
            first, second = self.index.features([one, two])
            placed = None if first is None or second is None else aligned(first, second)
            if first is None or second is None or placed is None:
                continue
            both = min(placed.covered())
            sizes = (first.width, first.height), (second.width, second.height)
            zoom = placed.shape(*sizes)[0] * max(sizes[0]) / max(sizes[1])
            if both >= VIEW and placed.spread >= VIEW_SPREAD and 1 / VIEW_ZOOM <= zoom <= VIEW_ZOOM:
                how = f"{both:.0%} of each is in the other"
                same = self._same("view", one, two, position, how)
                found.append(replace(same, inliers=placed.inliers))
        return found

    def places(self) -> list[Sameness]:
        """Pairs of one place."""
        label = np.empty(len(self.links.ids), np.int64)
        for number, group in enumerate(communities(self.links)):
            label[group] = number
        inside = label[self.links.pairs[:, 0]] == label[self.links.pairs[:, 1]]
        return [
            self._same("place", one, two, position, "the same place")
            for one, two, position in self._near(lambda at: self._likely(at) and bool(inside[at]))
        ]

    def _likely(self, position: int) -> bool:
        return bool(self.links.probabilities[position] >= LIKELY)


def seconds_apart(one: str | None, two: str | None) -> float | None:
    """Between two times: by their zones where both have one, else by the cameras' clocks."""
    if one is None or two is None:
        return None
    first, second = datetime.fromisoformat(one), datetime.fromisoformat(two)
    if first.tzinfo is None or second.tzinfo is None:
        first, second = first.replace(tzinfo=None), second.replace(tzinfo=None)
    return abs((first - second).total_seconds())
