"""A map of the collection: photos that look alike lie near each other."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from solar.errors import SolarError
from solar.files.atomic import write_atomically
from solar.index import Index
from solar.typing import Descriptors, Ids
from solar.web.api.service import Served, signature

router = APIRouter(tags=["index"])

_SAMPLE, _AT_ONCE = 20_000, 10_000  # descriptors that axes are found of; that are read at once
_OUTSIDE = 1.0  # percent on each side that may lie on the edge


class Map(BaseModel):
    """Where photos lie."""

    points: list[list[int | float]] = Field(description="id, x and y, 0 to 1.")


@router.get("/map", response_model=Map, summary="Photos laid out by likeness")
async def collection_map(service: Served) -> dict[str, Any]:
    """The two directions in which descriptors differ most; made once for each commit."""
    return await service.work(service.remembered, "map", _points)


def _points(index: Index) -> dict[str, Any]:
    ids = index.ids()
    ids = np.array([p.id for p in index.photos_of(ids.tolist()) if p.reason is None], np.int64)
    kept = index.folder.with_name(f"{index.folder.name}.map.npz")
    seen = repr(signature(index.folder))
    laid = _read(kept, seen, len(ids))
    if laid is None:
        laid = layout(index, ids)
        with suppress(OSError, SolarError):  # a folder that cannot be written keeps none
            _write(kept, seen, laid)
    rows = zip(ids.tolist(), laid.round(4).tolist(), strict=True)
    return {"points": [(number, x, y) for number, (x, y) in rows]}


def layout(index: Index, ids: Ids) -> NDArray[np.float32]:
    """Photos by the first two principal components of their descriptors.

    Args:
        index: that holds them.
        ids: (N,) of photos that have a descriptor.

    Returns:
        (N, 2), 0 to 1.
    """
    if len(ids) < 3:
        steps = np.arange(len(ids), dtype=np.float32) / 10
        return np.stack([steps + np.float32(0.5)] * 2, 1)
    sample = ids[:: -(-len(ids) // _SAMPLE)]
    rows = index.descriptors(sample.tolist())
    mean = rows.mean(0)
    axes = _axes(rows - mean)  # (D, 2)
    blocks = [ids[start : start + _AT_ONCE].tolist() for start in range(0, len(ids), _AT_ONCE)]
    flat = np.concatenate([(index.descriptors(block) - mean) @ axes for block in blocks])
    low, high = np.percentile(flat, [_OUTSIDE, 100 - _OUTSIDE], axis=0)
    scaled: NDArray[np.float32] = (flat - low) / np.maximum(high - low, 1e-9)
    return scaled.clip(0, 1).astype(np.float32)


def _axes(rows: Descriptors) -> NDArray[np.float32]:
    """The directions of greatest variance (D, 2), each with a sign that does not depend on luck."""
    _, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
    axes = vectors[:, :-3:-1]
    signs = np.sign(axes[np.abs(axes).argmax(0), range(axes.shape[1])])
    return (axes * signs).astype(np.float32)  # type: ignore[no-any-return]


def _read(file: Path, seen: str, count: int) -> NDArray[np.float32] | None:
    """What was kept of this commit, if anything whole is there."""
    odd = OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile
    with suppress(*odd), np.load(file, allow_pickle=False) as kept:
        laid: NDArray[np.float32] = kept["positions"]
        if str(kept["seen"]) == seen and laid.shape == (count, 2):
            return laid.astype(np.float32)
    return None


def _write(file: Path, seen: str, laid: NDArray[np.float32]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, seen=np.array(seen), positions=laid)
    with write_atomically(file) as opened:
        opened.write(buffer.getvalue())
