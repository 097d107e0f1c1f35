"""Which kind of vectors a new index gets, and what a kind costs."""

from __future__ import annotations

from math import log

from solar.index.vectors import kind_named

MANY = 200_000
"""Photos from which on comparing all of them takes longer than anyone waits for."""


def chosen(photos: int) -> str:
    """The kind for so many photos."""
    return "exact" if photos < MANY else "rabitq"


def cost(name: str, dimensions: int, photos: int, keypoints: float | None = None) -> str:
    """What a kind costs, in words: bytes a photo, and what is found of the ten nearest.

    What is found was measured, of the number of photos that comes nearest.

    Args:
        name: of the kind.
        dimensions: of descriptors.
        photos: how many there are.
        keypoints: bytes a photo that these take beside; None if none are kept.

    Raises:
        UsageError: there is no such kind.
    """
    kind = kind_named(name)
    found = "all of the ten nearest"
    if kind.recall:
        among = min(kind.recall, key=lambda count: abs(log(count / max(photos, 1))))
        found = f"about {kind.recall[among]:.1%} of the ten nearest, measured among {among:,}"
    size = f"{kind.row_bytes(dimensions):,} bytes a photo"
    if keypoints is not None:
        size += f" and {keypoints:,.0f} for its keypoints"
    return f"kind {name}: {size}, a search finds {found}"
