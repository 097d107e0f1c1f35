"""Communities of photos that one false link does not join: links that a third photo vouches for."""

from __future__ import annotations

import numpy as np

from solar.typing import Ids


def vouched(count: int, pairs: Ids, lone: Ids) -> list[list[int]]:
    """The communities of a graph of photos.

    They are the connected components of its 3-truss (Cohen, "Trusses: cohesive subgraphs for
    social network analysis", 2008): a link counts if a third photo is linked with both of its ends.
    Two places that one false link joins, or several from one photo of the one to photos of the
    other that are not linked with each other, stay two. A photo that has one link alone, for
    which nobody can vouch, joins by that if it is one of `lone`.

    Args:
        count: of photos, N.
        pairs: (K, 2) linked photos, 0 to N - 1, each pair once.
        lone: (L,) positions of pairs that count where one end has no other link.

    Returns:
        All communities, also of one photo, the largest first; photos rising.
    """
    near: list[set[int]] = [set() for _ in range(count)]
    for one, two in pairs.tolist():
        near[one].add(two)
        near[two].add(one)
    sure = set(lone.tolist())
    kept = [
        position
        for position, (one, two) in enumerate(pairs.tolist())
        if not near[one].isdisjoint(near[two])
        or (position in sure and min(len(near[one]), len(near[two])) == 1)
    ]
    return components(count, pairs[kept])


def components(count: int, pairs: Ids) -> list[list[int]]:
    """The connected components of a graph, as `vouched` gives communities."""
    leaders = np.arange(count).tolist()
    for one, two in pairs.tolist():
        first, second = _leader(leaders, one), _leader(leaders, two)
        leaders[max(first, second)] = min(first, second)
    groups: dict[int, list[int]] = {}
    for photo in range(count):
        groups.setdefault(_leader(leaders, photo), []).append(photo)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def _leader(leaders: list[int], photo: int) -> int:
    while leaders[photo] != photo:
        leaders[photo] = leaders[leaders[photo]]
        photo = leaders[photo]
    return photo
