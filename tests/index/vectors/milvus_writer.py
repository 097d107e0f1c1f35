"""A process that adds descriptors to an index, for the tests to kill or to starve.

``python -m tests.index.vectors.milvus_writer INDEX COUNT`` adds photos named 0.jpg, 1.jpg, … in
commits of 200, prints the number of those that are committed after each, and ends after COUNT.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from solar.index import Index
from tests.index.bytes_extractor import EXTRACTION, describe_bytes

STEP = 200


def rows_of(
    start: int, stop: int
) -> tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Names and descriptors of some photos."""
    names = [f"{number}.jpg" for number in range(start, stop)]
    return names, np.stack([describe_bytes(name.encode()) for name in names])


def main(folder: Path, count: int) -> None:
    index = Index.open(folder)
    for start in range(len(index), count, STEP):
        index.add_descriptors(*rows_of(start, start + STEP), EXTRACTION)
        sys.stdout.write(f"{start + STEP}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
