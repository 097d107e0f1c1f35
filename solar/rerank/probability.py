"""How probable hits are, by the model's calibration and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from solar.calibration import probabilities
from solar.ranking import Evidence, Ranking
from solar.rerank.protocol import View

_NOTHING = Evidence()


def logits(
    ranking: Ranking, evidence: Mapping[int, Evidence], view: View
) -> NDArray[np.float64] | None:
    """The logarithms of the odds of a ranking's photos (K,); None without a calibration.

    Args:
        ranking: of the query.
        evidence: by id, what is known of its photos beside their scores.
        view: the query, and what it is compared with.
    """
    if view.calibration is None:
        return None
    known = [evidence.get(number, _NOTHING) for number in ranking.ids.tolist()]
    own = view.calibration.logits(ranking.scores, [each.apart for each in known], view.background)
    asked = np.array([each.support is not None for each in known], bool)
    support = np.array([each.support or 0.0 for each in known])
    return np.where(asked, view.calibration.supported.logits(own, support), own)


def judged(ranking: Ranking, view: View) -> Ranking:
    """A ranking whose evidence says of each photo of its head how probable it is.

    Without a calibration, it comes back as it is.
    """
    first = ranking.top(ranking.head)
    found = logits(first, ranking.evidence, view)
    if found is None:
        return ranking
    evidence = {
        number: replace(ranking.evidence.get(number, _NOTHING), probability=probability)
        for number, probability in zip(
            first.ids.tolist(), probabilities(found).tolist(), strict=True
        )
    }
    return replace(ranking, evidence={**ranking.evidence, **evidence})
