"""DISK, which finds and describes keypoints, and LightGlue, which matches them, both of kornia.

Their weights are random: nothing is fetched. The same photo is found at its own keypoints all the
same, and every seam is passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from solar.extraction import Failed
from solar.features import FeatureExtraction, Features, FeaturesOf, Keypoints, frame_of
from solar.index import Index
from solar.matching import Matches
from solar.photos import Box, Photo, decode
from solar.sfm.export import export_hloc
from solar.sfm.hloc import MATCHES
from solar.sfm.matching import Local
from tests.collection.colours import ColourExtractor
from tests.rerank.views import street

feature = pytest.importorskip("kornia.feature")


class Disk:
    """DISK as a feature extractor: points of one size, without angles."""

    def __init__(self) -> None:
        self.network = feature.DISK(desc_dim=16).eval()
        told = "".join(map(str, self.network.state_dict().values()))
        fingerprint = hashlib.sha256(told.encode()).hexdigest()
        self.extraction = FeatureExtraction("disk", fingerprint, 16, 150, 160)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[FeaturesOf | Failed]:
        """See `solar.features.FeatureExtractor`."""
        for position, photo in enumerate(photos):
            box = boxes[position] if boxes else None
            opened = decode(photo)
            copy = np.array(opened.prepared(self.extraction.image_size, box))  # (h, w, 3)
            images = torch.from_numpy(copy).permute(2, 0, 1)[None] / 255  # (1, 3, h, w)
            with torch.inference_mode():
                (found,) = self.network(
                    images, n=150, score_threshold=-torch.inf, pad_if_not_divisible=True
                )
            count = len(found.keypoints)
            keypoints = Keypoints(
                found.keypoints.numpy().astype(np.float32),
                np.full(count, 8, np.float32),
                np.zeros(count, np.float32),
                found.detection_scores.numpy().astype(np.float32),
            )
            rows = found.descriptors.numpy().astype(np.float32)
            frame = frame_of(box, opened.size)
            yield FeaturesOf(position, Features.of(keypoints, rows, copy.shape[:2], frame))


class Glue:
    """LightGlue as a matcher."""

    def __init__(self) -> None:
        self.network = feature.LightGlue(
            None, input_dim=16, descriptor_dim=32, n_layers=1, num_heads=1, filter_threshold=0.0,
            depth_confidence=-1, width_confidence=-1,
        ).eval()  # fmt: skip

    def __call__(self, first: Local, second: Local) -> Matches:
        """See `solar.sfm.matching.Matcher`."""
        given = {
            name: {
                "keypoints": torch.from_numpy(local.xy)[None],
                "descriptors": torch.from_numpy(local.descriptors)[None],
                "image_size": torch.tensor([local.size], dtype=torch.float32),
            }
            for name, local in (("image0", first), ("image1", second))
        }
        with torch.inference_mode():
            pairs = self.network(given)["matches"][0].numpy()
        one, two = pairs.T
        cosines = (first.descriptors[one] * second.descriptors[two]).sum(1)
        return Matches(one, two, np.sqrt(np.maximum(2 - 2 * cosines, 0)))


def test_a_network_that_finds_keypoints_and_one_that_matches_them(tmp_path: Path) -> None:
    torch.manual_seed(5)
    photos = street(tmp_path / "photos", 2, 1)
    index = Index.create(tmp_path / "i", ColourExtractor(), local=Disk())
    assert len(index.add(tmp_path / "photos").added) == 2
    (first, *_) = index.search(photos[1], rerank="geometric")
    assert first.path.endswith(photos[1].name)
    assert first.inliers is not None and first.inliers > 20
    done = export_hloc(index, tmp_path / "to", kept=True, matcher=Glue())
    assert done.pairs == 1
    with h5py.File(tmp_path / "to" / MATCHES) as file:
        found = file[photos[0].name][photos[1].name]["matches0"][()]
    kept = found[found >= 0]
    assert len(kept) and len(set(kept.tolist())) == len(kept) and kept.max() < 150
