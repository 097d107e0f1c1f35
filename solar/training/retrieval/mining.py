"""Hard negatives: for each query the most similar photos of other places, at most one per place.

As in the published procedure (Radenović et al., TPAMI 2019), but exact and in blocks: the matrix of
all similarities is never whole and never sorted. A similarity and the row of the pool that it
belongs to are packed into one integer, so that the greatest integers are the most similar photos,
no two are equal, and the lower row wins a tie.
"""

from __future__ import annotations

import torch
from torch import Tensor

from solar.errors import UsageError

_NONE = torch.iinfo(torch.int64).min
_LAST = 2**32 - 1
_SPARE = 4  # Times as many candidates as negatives: more are needed only where places repeat.


@torch.no_grad()
def hardest_negatives(
    queries: Tensor,
    pool: Tensor,
    query_places: Tensor,
    pool_places: Tensor,
    count: int,
    *,
    block: int = 4096,
) -> Tensor:
    """Rows of the pool most similar to each query, of other places than its own and each other.

    Similarities are computed in float32 whatever the type of the rows.

    Args:
        queries: (Q, D), unit rows.
        pool: (P, D), unit rows, on the same device.
        query_places: (Q,), integers, the place of each query.
        pool_places: (P,), integers, the place of each photo of the pool.
        count: how many negatives for each query.
        block: queries and photos of the pool compared at a time; memory grows with its square.

    Returns:
        (Q, count) int64, most similar first; of equally similar photos the lower row.

    Raises:
        UsageError: the shapes do not fit, a number is not finite, or the pool shows fewer than
            ``count`` places other than some query's.
    """
    _check_rows("queries", queries, query_places)
    _check_rows("pool", pool, pool_places)
    if queries.shape[1] != pool.shape[1]:
        raise UsageError(
            f"queries have {queries.shape[1]} dimensions, the pool has {pool.shape[1]}"
        )
    if count < 1 or block < 1:
        raise UsageError(f"count {count} and block {block}: both must be at least 1")
    _check_enough(query_places, pool_places, count)
    found = [pool_places.new_empty((0, count), dtype=torch.int64)]
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        found.append(_negatives(queries[part], query_places[part], pool, pool_places, count, block))
    return torch.cat(found)


def _negatives(
    queries: Tensor, own: Tensor, pool: Tensor, pool_places: Tensor, count: int, block: int
) -> Tensor:
    """The rows (B, count) for one block of queries."""
    best = own.new_empty((len(queries), 0), dtype=torch.int64)
    for start in range(0, len(pool), block):
        part = slice(start, start + block)
        keys = _pack(queries.float() @ pool[part].float().T, start)  # (B, block)
        keys.masked_fill_(own[:, None] == pool_places[part], _NONE)
        candidates = _best_of_each_place(keys, pool_places, count)
        best = _best_of_each_place(torch.cat([best, candidates], 1), pool_places, count)
    return _rows(best)


def _best_of_each_place(keys: Tensor, pool_places: Tensor, count: int) -> Tensor:
    """The ``count`` greatest keys (B, N) of different places, greatest first; `_NONE` for missing.

    Fewer columns than ``count`` are returned only if there are fewer.
    """
    kept = keys.topk(min(_SPARE * count, keys.shape[1])).values  # (B, K), greatest first
    least = kept[:, -1]
    places, order = _places(kept, pool_places).sort(dim=1, stable=True)
    grouped = kept.gather(1, order)
    grouped[:, 1:].masked_fill_(places[:, 1:] == places[:, :-1], _NONE)
    best = grouped.topk(min(count, kept.shape[1])).values
    if kept.shape[1] < keys.shape[1]:
        short = ((best[:, -1] == _NONE) & (least != _NONE)).nonzero().squeeze(1)
        if len(short):
            best[short] = _one_after_the_other(keys[short], pool_places, count)
    return best


def _one_after_the_other(keys: Tensor, pool_places: Tensor, count: int) -> Tensor:
    """What `_best_of_each_place` returns, at a cost that does not depend on repeated places."""
    places = _places(keys, pool_places)
    best = []
    for _ in range(count):
        greatest = keys.amax(1, keepdim=True)
        best.append(greatest)
        keys = keys.masked_fill(places == _places(greatest, pool_places), _NONE)
    return torch.cat(best, 1)


def _pack(similarities: Tensor, first_row: int) -> Tensor:
    """Similarities (B, N) of the pool's rows from ``first_row`` on -> int64, in the same order."""
    bits = (similarities + 0.0).view(torch.int32)  # + 0.0: -0 and 0 are one number
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()  # negative floats count downwards
    rows = torch.arange(first_row, first_row + bits.shape[1], device=bits.device)
    return (ordered << 32).add_(_LAST - rows)


def _rows(keys: Tensor) -> Tensor:
    return _LAST - (keys & _LAST)


def _places(keys: Tensor, pool_places: Tensor) -> Tensor:
    """The places of the photos that keys belong to; of `_NONE`, any place."""
    return pool_places[_rows(keys).clamp_(max=len(pool_places) - 1)]


def _check_rows(name: str, rows: Tensor, places: Tensor) -> None:
    if rows.ndim != 2 or not rows.is_floating_point() or places.shape != rows.shape[:1]:
        raise UsageError(
            f"{name}: need (N, D) floating point rows and (N,) places, "
            f"not {tuple(rows.shape)} {rows.dtype} and {tuple(places.shape)}"
        )
    if places.is_floating_point() or places.is_complex() or places.dtype == torch.bool:
        raise UsageError(f"{name}: places must be integers, not {places.dtype}")
    wrong = (~rows.isfinite().all(1)).nonzero().flatten()
    if len(wrong):
        raise UsageError(f"{name}: row {int(wrong[0])} is not finite; has the training diverged?")


def _check_enough(query_places: Tensor, pool_places: Tensor, count: int) -> None:
    places = torch.unique(pool_places)
    others = len(places) - torch.isin(query_places, places).long()  # (Q,)
    short = (others < count).nonzero().flatten()
    if len(short):
        query = int(short[0])
        raise UsageError(
            f"query {query}: the pool of {len(pool_places)} photos shows {int(others[query])} "
            f"places other than its own, {count} negatives were asked for; "
            "draw a greater pool or ask for fewer negatives"
        )
