"""Words that several modules of this room say."""

from __future__ import annotations

from collections import Counter

from solar.files import printable

AGAIN = "copy it again from its source"


def counted(names: Counter[str], most: int = 8) -> str:
    """Names and how often, the most frequent first: ".cr2 31, .txt 2, 5 others"."""
    ordered = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{printable(name[:40]) or 'no suffix'} {count:,}" for name, count in ordered[:most]]
    rest = sum(count for _, count in ordered[most:])
    return ", ".join([*words, f"others {rest:,}"] if rest else words)
