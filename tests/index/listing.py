"""What an index holds, asked through its public interface."""

from __future__ import annotations

from solar.index import Hit, Index
from solar.typing import Descriptors
from tests.index.bytes_extractor import EXTRACTION


def paths(index: Index) -> dict[str, int]:
    """The path of each photo that can be found, with its id."""
    return {photo.path: photo.id for photo in index.photos() if photo.reason is None}


def found(index: Index, queries: Descriptors, top: int) -> list[list[Hit]]:
    """What an index of `BytesExtractor` finds for some descriptors."""
    return index.search_descriptors(queries, EXTRACTION, top)
