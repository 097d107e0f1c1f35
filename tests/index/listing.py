"""What an index holds, asked through its public interface."""

from __future__ import annotations

import numpy as np

from solar.index import Index


def paths(index: Index) -> dict[str, int]:
    """The path of each photo that can be found, with its id."""
    query = np.zeros((1, index.info().settings.dimensions), np.float32)
    return {hit.path: hit.id for hit in index.search_descriptors(query, 100_000)[0]}
