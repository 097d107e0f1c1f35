"""PhotoTour for training: the patches of scenes at 32 x 32, in the order of their points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from solar.datasets.patches.phototour import PhotoTour
from solar.datasets.patches.store import SIDE, Part

_AT_ONCE = 8192


def scene_points(scenes: Sequence[PhotoTour]) -> Iterator[Part]:
    """Patches and point ids of scenes, for `solar.datasets.patches.store`.

    Patches are halved bilinearly, as `PatchDescriptor.of_patches` does. The ids of a
    scene start where those of the scene before end.

    Args:
        scenes: any number.

    Yields:
        Patches (n, 32, 32) uint8 and (n,) point ids, ascending.
    """
    after = 0
    for scene in scenes:
        ids = np.unique(scene.point_ids, return_inverse=True)[1].reshape(-1) + after
        order = np.argsort(ids, kind="stable")
        for start in range(0, len(order), _AT_ONCE):
            numbers = order[start : start + _AT_ONCE]
            patches = torch.from_numpy(scene.patches(numbers)).float()[:, None]
            halved = interpolate(patches, (SIDE, SIDE), mode="bilinear")
            yield halved[:, 0].round().byte().numpy(), ids[numbers]
        after += len(np.unique(ids))
