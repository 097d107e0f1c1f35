"""The index: an incremental, crash-proof folder of descriptors, and exact search in it."""

from solar.index._candidates import Ready
from solar.index.index import Index
from solar.index.indexing import Indexed, index_photos, index_shards
from solar.index.results import AddReport, Hit, IndexedPhoto, IndexInfo, Queried, Search
from solar.index.searching import search_each

__all__ = [
    "AddReport",
    "Hit",
    "Index",
    "IndexInfo",
    "Indexed",
    "IndexedPhoto",
    "Queried",
    "Ready",
    "Search",
    "index_photos",
    "index_shards",
    "search_each",
]
