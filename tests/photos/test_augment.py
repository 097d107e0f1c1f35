"""Views of another visit: where they look, what they change, what they leave alone."""

import io
import zipfile
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from solar.errors import PhotoError, UsageError
from solar.photos.augment import View, Visit, rephotograph, revisit
from solar.photos.plane import Matrix, project
from tests.shared import shared

NOTHING = Visit(
    angle=0,
    roll=0,
    zoom=1,
    exposure=0,
    contrast=0,
    temperature=0,
    shadow=0,
    haze=0,
    blur=0,
    noise=0,
    occlusion=0,
    quality=95,
)
WALK = replace(NOTHING, angle=60, roll=45, zoom=2)
SIZES = st.tuples(st.integers(16, 200), st.integers(16, 200))
SEEDS = st.integers(0, 2**32 - 1)


def pattern(width: int = 400, height: int = 300, seed: int = 0) -> Image.Image:
    """Soft random colours."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def pixels(photo: Image.Image) -> Matrix:
    return np.asarray(photo, np.float64)


def dot(width: int, height: int, x: int, y: int) -> Image.Image:
    """A white spot of 3 pixels' standard deviation around a pixel's centre, on black."""
    rows, columns = np.mgrid[:height, :width]
    spot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
    return Image.fromarray(spot.astype(np.uint8)).convert("RGB")


def centre(photo: Image.Image) -> Matrix:
    light = pixels(photo.convert("L"))
    light[light < 30] = 0
    rows, columns = np.mgrid[: photo.height, : photo.width]
    return np.array([(columns * light).sum() / light.sum(), (rows * light).sum() / light.sum()])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("x", "y"), [(150, 110), (200, 150), (260, 170)])
def test_markers_land_where_the_homography_says(seed: int, x: int, y: int) -> None:
    visit = replace(WALK, angle=40, roll=15, zoom=1.3)
    view = revisit(dot(400, 300, x, y), seed, visit)
    expected = project(view.homography, np.array([(x, y)], float))[0]
    margin = np.minimum(expected, np.array(view.photo.size) - expected).min()
    assert margin > 12, "the spot is meant to be wholly visible"
    assert np.abs(centre(view.photo) - expected).max() < 0.25


@given(SIZES, SEEDS)
@example((16, 16), 0)
@example((200, 16), 1)
@example((16, 200), 2)
def test_no_border_is_ever_visible(size: tuple[int, int], seed: int) -> None:
    view = rephotograph(Image.new("RGB", size, "white"), seed, WALK)
    assert pixels(view).min() >= 254


@given(SIZES, SEEDS)
def test_views_have_the_aspect_and_not_more_pixels(size: tuple[int, int], seed: int) -> None:
    view = rephotograph(pattern(*size), seed)
    assert view.mode == "RGB"
    assert view.width <= size[0]
    assert view.height <= size[1]
    assert abs(view.width / size[0] - view.height / size[1]) <= 1 / min(size)


@given(SIZES, SEEDS)
def test_without_zoom_the_view_is_the_largest_that_fits(size: tuple[int, int], seed: int) -> None:
    view = revisit(pattern(*size), seed, replace(WALK, zoom=1))
    width, height = view.photo.size
    edges = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
    x, y = (places(view, edges) + 0.5).T
    distances = np.array([x.min(), y.min(), size[0] - x.max(), size[1] - y.max()])
    assert distances.min() > -1e-6
    assert (distances < 1e-6).sum() >= 3  # Touched on three sides, it cannot grow.


@given(SEEDS)
def test_the_same_seed_gives_the_same_view(seed: int) -> None:
    photo = pattern(60, 40)
    first, second = revisit(photo, seed), revisit(photo, np.random.default_rng(seed))
    assert np.array_equal(pixels(first.photo), pixels(second.photo))
    assert np.array_equal(first.homography, second.homography)
    assert np.array_equal(pixels(rephotograph(photo, seed)), pixels(first.photo))


def test_other_seeds_give_other_views() -> None:
    views = [revisit(pattern(), seed) for seed in range(20)]
    assert len({view.photo.tobytes() for view in views}) == 20
    assert len({view.homography.tobytes() for view in views}) == 20


def test_a_generator_gives_another_view_at_each_call() -> None:
    random = np.random.default_rng(0)
    first, second = revisit(pattern(), random), revisit(pattern(), random)
    assert not np.array_equal(first.homography, second.homography)


def test_the_photo_itself_stays_as_it_was() -> None:
    photo = pattern()
    before = photo.tobytes()
    rephotograph(photo, 0)
    assert photo.tobytes() == before


def test_a_visit_without_changes_is_the_photo_after_jpeg() -> None:
    photo = pattern()
    view = revisit(photo, 0, NOTHING)
    assert np.allclose(view.homography, np.eye(3), atol=1e-9)
    assert np.abs(pixels(view.photo) - pixels(photo)).mean() < 2


def difference(visit: Visit) -> float:
    """Mean change of grey levels that a visit makes, over ten views."""
    photo = pattern()
    still = pixels(rephotograph(photo, 0, NOTHING))
    views = [rephotograph(photo, seed, visit) for seed in range(10)]
    return float(np.mean([np.abs(pixels(v.resize(photo.size)) - still).mean() for v in views]))


@pytest.mark.parametrize("name", [strength.name for strength in fields(Visit)])
def test_each_strength_alone_changes_the_view_more_the_greater_it_is(name: str) -> None:
    least, greatest = next(f.metadata["range"] for f in fields(Visit) if f.name == name)
    if name == "quality":
        least, greatest = greatest, least
    middle = least + (greatest - least) / 4
    middle = round(middle) if name == "quality" else middle
    quarter, full = replace(NOTHING, **{name: middle}), replace(NOTHING, **{name: greatest})
    assert 0.05 < difference(quarter) < difference(full)


def test_a_strength_leaves_the_other_draws_as_they_were() -> None:
    for seed in range(5):
        usual = revisit(pattern(), seed)
        clear = revisit(pattern(), seed, Visit(occlusion=0, exposure=0, noise=0))
        assert np.array_equal(usual.homography, clear.homography)


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5])
def test_occlusion_hides_at_most_its_share(share: float) -> None:
    photo = Image.new("RGB", (300, 220), (128, 250, 250))  # No stranger has this colour.
    visit = replace(NOTHING, occlusion=share)
    hidden = []
    for seed in range(60):
        change = np.abs(pixels(rephotograph(photo, seed, visit)) - pixels(photo)).max(2)
        hidden.append(float((change > 60).mean()))
    assert max(hidden) <= share + 0.01  # JPEG and soft edges.
    assert max(hidden) > share / 2
    assert min(hidden) == 0  # Some visits have a free view.


def places(view: View, xy: Matrix) -> Matrix:
    """Where pixels (N, 2) of a view are in the original photo."""
    back: Matrix = np.asarray(np.linalg.inv(view.homography), float)
    return project(back, xy)


def correlation(view: View, photo: Image.Image) -> float:
    """Of the view's grey levels with those of the photo at the places that the homography says."""
    width, height = view.photo.size
    rows, columns = np.mgrid[:height, :width]
    xy = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
    x, y = np.rint(places(view, xy)).astype(int).T
    assert x.min() >= 0
    assert y.min() >= 0
    there = pixels(photo.convert("L"))[y, x]
    return float(np.corrcoef(there, pixels(view.photo.convert("L")).ravel())[0, 1])


def test_views_of_real_photos_show_them_differently() -> None:
    with zipfile.ZipFile(shared("data/photos-large.zip")) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".webp"))[::25]
        photos = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    found = [correlation(revisit(p, seed), p) for seed, p in enumerate(photos)]
    assert len(found) == 40
    assert np.median(found) > 0.8  # The same place, ...
    assert max(found) < 0.995  # ... never the same photo.


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (Image.new("RGB", (15, 100)), "15x100"),
        (Image.new("RGB", (100, 1)), "16x16"),
        (Image.new("L", (100, 100)), "mode L"),
        (Image.new("RGBA", (100, 100)), "mode RGBA"),
    ],
)
def test_unsuitable_photos_are_refused(photo: Image.Image, words: str) -> None:
    with pytest.raises(PhotoError, match=words):
        rephotograph(photo, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("angle", -1), ("angle", 61), ("zoom", 0.9), ("noise", float("nan")), ("quality", 0)],
)
def test_strengths_outside_their_range_are_refused(name: str, value: float) -> None:
    strengths: dict[str, Any] = {name: value}
    with pytest.raises(UsageError, match=name):
        Visit(**strengths)
