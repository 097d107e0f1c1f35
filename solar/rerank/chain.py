"""Ways to re-rank by their names, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from solar.errors import UsageError
from solar.ranking import Ranking
from solar.rerank.diffusion import Diffusion
from solar.rerank.expansion import Expansion
from solar.rerank.geometric import Geometric
from solar.rerank.kreciprocal import KReciprocal
from solar.rerank.probability import judged
from solar.rerank.protocol import Reranker, View
from solar.rerank.superglobal import SuperGlobal
from solar.rerank.support import Support

WAYS: dict[str, Callable[[], Reranker]] = {
    "geometric": Geometric,
    "support": Support,
    "expansion": Expansion,
    "diffusion": Diffusion,
    "superglobal": SuperGlobal,
    "k-reciprocal": KReciprocal,
}


def parse_rerank(text: str | None, *, features: bool) -> tuple[Reranker, ...]:
    """The ways that a text asks for.

    Args:
        text: names with commas between them, applied from the left; `none`; `default` or None is
            `geometric,support` where features are kept, and `support` elsewhere.
        features: whether there are features to compare.

    Raises:
        UsageError: an unknown way, or one twice.
    """
    if text is None or text.strip() == "default":
        text = "geometric,support" if features else "support"
    names = [] if text.strip() == "none" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in WAYS:
            known = ", ".join(WAYS)
            raise UsageError(
                f"--rerank {name!r:.60}: use none, default, or some of {known} with commas between"
            )
    if len(set(names)) < len(names):
        raise UsageError(f"--rerank {text:.60}: names a way twice: leave one out")
    return tuple(WAYS[name]() for name in names)


def reach(chain: Sequence[Reranker]) -> int:
    """How many first hits a chain looks at: a search must find them even for fewer answers."""
    return max((way.first for way in chain), default=0)


def rerank(ranking: Ranking, view: View, chain: Sequence[Reranker]) -> Ranking:
    """Apply ways to re-rank, one after another, and say how probable the hits are.

    Args:
        ranking: of the query, its first `reach(chain)` ranks known.
        view: the query, and what it is compared with.
        chain: the ways, the first one first.
    """
    for way in chain:
        ranking = way(ranking, view)
    return judged(ranking, view)
