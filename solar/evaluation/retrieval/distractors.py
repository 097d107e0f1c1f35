"""Distractors: photos of none of the places, a million in R1M, that make retrieval harder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from solar.errors import UsageError
from solar.evaluation.retrieval.described import DescribedSet
from solar.extraction import Extractor
from solar.extraction.shard import Failure
from solar.extraction.shards import Shards, create_shards, fill, open_shards
from solar.typing import AnyPath, Progress

SHARD_SIZE = 4096


def extract_distractors(
    extractor: Extractor,
    photos: Sequence[Path],
    folder: str | Path,
    *,
    part: int = 0,
    parts: int = 1,
    shard_size: int = SHARD_SIZE,
    progress: Progress | None = None,
) -> list[Failure]:
    """Fill a folder with float16 descriptors, 2 bytes per dimension and photo.

    Killed, it goes on at the next call with the shards that are missing. Machines that share the
    folder, or whose folders are copied together afterwards, each take a part.

    Args:
        extractor: what describes them; its extraction becomes the folder's.
        photos: all of them, in the same order on every machine; at least one.
        folder: made if missing.
        part: this machine's, 0 to parts - 1.
        parts: machines that share the work.
        shard_size: photos per shard.
        progress: called with this part's photos done and in all.

    Returns:
        Photos that could not be described in this run; they have no row.

    Raises:
        UsageError: the folder is for other photos or settings; says which.
    """
    if not photos or shard_size < 1:
        raise UsageError("distractors: at least one photo, and one photo per shard, are needed")
    common = os.path.commonpath([photo.parent for photo in photos])
    names = [photo.relative_to(common).as_posix() for photo in photos]
    shards = create_shards(folder, extractor.extraction, names, shard_size, "float16")
    return fill(
        shards, extractor, photos, part=part, parts=parts, skip_failed=True, progress=progress
    )


def open_distractors(folder: AnyPath, described: DescribedSet) -> Shards:
    """The distractors to go with the descriptors of a data set.

    Raises:
        UsageError: they were made with other settings; says which.
        SolarError: shards are missing or damaged.
    """
    shards = open_shards(folder)
    way_out = "extract them with the settings of this evaluation"
    shards.extraction.require_same(described.extraction, folder, way_out)
    shards.rows()
    return shards
