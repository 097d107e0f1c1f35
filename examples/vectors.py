"""Vectors that another program made, searched and measured by Solar without their network.

    python examples/vectors.py vectors.npy names.txt photos/ my.index
    python examples/vectors.py global-feats.h5 photos/ my.index

An .npy goes with a file of names, one a line, a row each. An .h5 names its photos itself: paths and
rows, or hloc's `global_descriptor` of each. As commands:

    solar index photos/ --to my.index --descriptors global-feats.h5
    solar eval folder places/ --descriptors global-feats.h5
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import solar


def as_descriptors(vectors: Path, names: Path) -> Path:
    """An .npz of paths and rows beside the .npy: all that Solar asks for."""
    made = vectors.with_suffix(".npz")
    paths = names.read_text(encoding="utf-8").splitlines()
    np.savez(made, paths=np.array(paths), descriptors=np.load(vectors), name="my network")
    return made


def main(*files: str) -> None:
    """Index the photos with their vectors; then show what is most like the first of them."""
    vectors, *names, photos, to = map(Path, files)
    own = as_descriptors(vectors, *names) if names else vectors
    index = solar.Index.create(to, own)
    print(f"{len(index.add(photos).added)} photos, {index.extraction.dimensions}-D")
    first, *_ = sorted(photo.path for photo in index.photos())
    for hit in index.search(first, top=3, rerank="none"):
        print(f"{hit.score:.3f}  {hit.path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
