"""A search on one screen: a folder of photos is indexed, and asked for the place of one photo.

    python examples/search.py photos/ my.index query.jpg

The second call describes only photos that are new or changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import solar


def main(photos: str, folder: str, query: str) -> None:
    """Bring the index up to date, then print the photos of the query's place."""
    if Path(folder).exists():
        index = solar.Index.open(folder)
    else:
        index = solar.Index.create(folder, model="solar-r18")
    report = index.add(photos)
    for path, reason in report.failed:
        print(f"skipped {path}: {reason}", file=sys.stderr)

    for hit in index.search(query, top=5):  # best first, verified by keypoints
        likely = f"{hit.probability or 0:4.0%}  {hit.inliers or 0:3} inliers"
        print(f"{likely}  {hit.score:.3f}  {hit.path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
