"""Where an index keeps descriptors, and how they are searched: one file for each kind.

A descriptor is known by its row: 0, 1, 2, … in the order of appending. Rows are never changed; the
catalogue knows which photo owns which row, and which rows nobody owns any more.
"""

from __future__ import annotations

from pathlib import Path

from solar.errors import UsageError
from solar.index.vectors._address import Server
from solar.index.vectors._embedded import Embedded
from solar.index.vectors._ranking import OddRow
from solar.index.vectors._rows import lengths_of
from solar.index.vectors.exact import Exact
from solar.index.vectors.float16 import Float16
from solar.index.vectors.listed import Effort, Listed, ListedVectors
from solar.index.vectors.milvus import Milvus
from solar.index.vectors.protocol import Kind, Vectors, VectorsWriter
from solar.index.vectors.sq8 import Sq8

__all__ = [
    "KINDS",
    "Effort",
    "Embedded",
    "Kind",
    "ListedVectors",
    "OddRow",
    "Server",
    "Vectors",
    "VectorsWriter",
    "discard",
    "kind_named",
    "lengths_of",
]

KINDS: dict[str, Kind] = {
    "exact": Exact(),
    "float16": Float16(),
    "sq8": Sq8(),
    "rabitq": Listed(
        Sq8(),
        "rabitq",
        flat=True,
        recall={100_000: 0.991, 1_000_000: 0.957},
        says="a bit a number first, then as sq8: few are missed",
    ),
    "ivf-rabitq": Listed(
        Sq8(),
        "rabitq",
        flat=False,
        recall={100_000: 0.796, 300_000: 0.736},
        says="a bit a number in near lists first, then as sq8",
    ),
    "ivf-pq": Listed(
        Float16(),
        "pq",
        flat=False,
        recall={100_000: 0.828},
        says="a bit a number in near lists first, then as float16",
    ),
    "milvus": Milvus(),
}
"""By the name that an index remembers; one of your own may be put in."""


def discard(file: Path) -> None:
    """Delete a file of any kind that no commit needs, and what it stands for on a server.

    Raises:
        OSError: it cannot be deleted.
    """
    if file.name.startswith("milvus-"):
        Milvus().discard(file)
    else:
        file.unlink()


def kind_named(name: str) -> Kind:
    """The kind of vectors of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in KINDS:
        raise UsageError(f"kind {name:.60}: use {', '.join(KINDS)}")
    return KINDS[name]
