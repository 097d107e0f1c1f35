"""Keypoints to kornia's frames and back, and the same patches cut by either."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.errors import UsageError
from solar.features import Keypoints, SiftDetector
from solar.features.lafs import from_lafs, to_lafs
from solar.features.patches import PhotoPyramid
from tests.rerank.views import busy_scene

ROWS = st.tuples(
    st.floats(-50, 5000), st.floats(-50, 5000), st.floats(0.5, 500), st.floats(0, 359),
    st.floats(0, 1),
)  # fmt: skip


@given(st.lists(ROWS, max_size=20), st.sampled_from([1.0, 6.0, 12.0]))
def test_there_and_back(rows: list[tuple[float, ...]], magnification: float) -> None:
    table = np.array(rows, np.float32).reshape(-1, 5)
    given_ = Keypoints(table[:, :2], table[:, 2], table[:, 3], table[:, 4])
    lafs = to_lafs(given_, magnification)
    assert lafs.shape == (1, len(rows), 2, 3) and lafs.dtype == np.float32
    back = from_lafs(lafs, given_.response, magnification)
    np.testing.assert_array_equal(back.xy, given_.xy)
    np.testing.assert_allclose(back.size, given_.size, rtol=1e-5)
    off = (back.angle - given_.angle + 180) % 360 - 180
    np.testing.assert_allclose(off, 0, atol=1e-3)
    np.testing.assert_array_equal(back.response, given_.response)


def test_kornia_cuts_the_same_patches() -> None:
    torch = pytest.importorskip("torch")
    feature = pytest.importorskip("kornia.feature")
    photo = np.array(busy_scene(3).convert("L"))
    keypoints = SiftDetector(200)(photo)
    inside = np.flatnonzero(
        (np.abs(keypoints.xy - (240, 180)) < (150, 100)).all(1) & (keypoints.size < 12)
    )
    keypoints = keypoints.take(inside)
    assert len(keypoints) > 30
    lafs = torch.from_numpy(to_lafs(keypoints))
    scales, angles = (
        feature.get_laf_scale(lafs)[0, :, 0, 0],
        feature.get_laf_orientation(lafs).numpy(),
    )
    np.testing.assert_allclose(scales, 3 * keypoints.size, rtol=1e-4)
    np.testing.assert_allclose((angles[0, :, 0] + keypoints.angle + 180) % 360, 180, atol=1e-2)
    pixels = torch.from_numpy(photo)[None, None].float()
    theirs = feature.extract_patches_from_pyramid(pixels, lafs, 32)[0, :, 0].numpy()
    ours = PhotoPyramid(photo).patches(keypoints)[:, 0]
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(ours, theirs, strict=True)]
    assert np.median(alike) > 0.97
    back = from_lafs(lafs.numpy())
    np.testing.assert_allclose(back.size, keypoints.size, rtol=1e-4)


def test_what_spans_nothing_is_refused() -> None:
    good = to_lafs(Keypoints.from_opencv([]))
    assert len(from_lafs(good)) == 0
    for lafs, words in (
        (np.zeros((1, 3, 2, 3)), "laf_is_valid"),
        (np.full((2, 2, 3), np.nan), "laf_is_valid"),
        (np.zeros((2, 5, 2, 3)), r"are \(N, 2, 3\), not \(2, 5, 2, 3\)"),
    ):
        with pytest.raises(UsageError, match=words):
            from_lafs(lafs)
    with pytest.raises(UsageError, match="2 responses of 1 frames"):
        from_lafs(np.eye(2, 3)[None], [1, 2])
