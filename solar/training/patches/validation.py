"""How well a local network tells points apart."""

from __future__ import annotations

import numpy as np

from solar.evaluation.average_precision import ranked_average_precision
from solar.evaluation.patches.metrics import fpr95
from solar.features.patch_descriptor import of_network
from solar.matching.nearest import mutual_nearest
from solar.models.local_descriptor import LocalDescriptor
from solar.training.patches.stores import PatchSource

_GROUP = 128  # points among which matches are looked for


def validate(model: LocalDescriptor, source: PatchSource, points: int) -> dict[str, float]:
    """Measure a network on patches that it was not trained on.

    Args:
        model: any local network; left in evaluation mode.
        source: the patches.
        points: at most so many.

    Returns:
        `fpr95`, the false positive rate at 95 % recall, negatives being the first patch of each
        point with the second of the next; `ap`, the average precision of mutual nearest
        neighbours among 128 points that follow one another, so of one photo mostly.
    """
    model.eval()
    order = np.argsort(source.point_ids, kind="stable")
    ids = source.point_ids[order]
    _, starts, counts = np.unique(ids, return_index=True, return_counts=True)
    rows = starts[counts >= 2][:points]
    descriptor = of_network(model)
    a, b = (descriptor.of_patches(source.patches(order[n])) for n in (rows, rows + 1))
    matching = np.linalg.norm(a - b, axis=1)
    others = np.linalg.norm(a - np.roll(b, 1, axis=0), axis=1)
    found, correct = [], []
    for start in range(0, len(a), _GROUP):
        matches = mutual_nearest(a[start : start + _GROUP], b[start : start + _GROUP])
        found.append(matches.distance)
        correct.append(matches.first == matches.second)
    ap = ranked_average_precision(np.concatenate(found), np.concatenate(correct), len(a))
    return {"fpr95": fpr95(matching, others), "ap": ap}
