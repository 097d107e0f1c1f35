"""Which kind of vectors a new index gets, and what a kind costs."""

from __future__ import annotations

from solar.index.vectors import kind_named

MANY = 200_000
"""Photos from which on comparing all of them takes longer than anyone waits for."""


def chosen(photos: int) -> str:
    """The kind for so many photos."""
    return "exact" if photos < MANY else "rabitq"


def cost(name: str, dimensions: int, keypoints: float | None = None) -> str:
    """What a kind costs, in words: bytes a photo, and what is found of the ten nearest.

    Args:
        name: of the kind.
        dimensions: of descriptors.
        keypoints: bytes a photo that these take beside; None if none are kept.

    Raises:
        UsageError: there is no such kind.
    """
    kind = kind_named(name)
    found = "all" if kind.recall == 1 else f"about {kind.recall:.1%}"
    size = f"{kind.row_bytes(dimensions):,} bytes a photo"
    if keypoints is not None:
        size += f" and {keypoints:,.0f} of its keypoints"
    return f"kind {name}: {size}, a search finds {found} of the ten nearest"
