"""Another visit to the same place: photos as someone else might have taken them on another day.

A photo is looked at as a flat picture from another side and from nearer by, someone walks into
the view, light and weather change, and the camera blurs, adds noise and compresses. What a flat
picture cannot show (parallax, hidden sides, other seasons) these views do not show either.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from itertools import combinations
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from solar.errors import PhotoError, UsageError
from solar.photos.plane import Matrix, project


def _up_to(greatest: float, usual: float, least: float = 0) -> Any:
    return field(default=usual, metadata={"range": (least, greatest)})


@dataclass(frozen=True)
class Visit:
    """How different another visit may be: the greatest change of each kind.

    What happens in one view is drawn evenly between no change and these. Each kind has random
    numbers of its own: setting one strength leaves the others' draws as they were.

    Attributes:
        angle: of the camera to the side in degrees, 0 to 60; half as much up or down.
        roll: of the camera in degrees, 0 to 45.
        zoom: 1 to 4; the view shows at least 1 / zoom of the width and height that it could.
        exposure: in stops, 0 to 3, brighter or darker.
        contrast: relative change, 0 to 0.9, more or less.
        temperature: of the colours, in stops between red and blue, 0 to 1, warmer or colder.
        shadow: share of the light that a soft shadow over a part of the view takes, 0 to 0.9.
        haze: share of the light that comes from haze at the top of the view, 0 to 0.9.
        blur: standard deviation as a share of the view's longer side, 0 to 0.02.
        noise: standard deviation in grey levels of 255, 0 to 50.
        occlusion: share of the view that passers-by, posts and leaves hide, 0 to 0.5.
        quality: the lowest of JPEG, 1 to 95, which is the highest.

    Raises:
        UsageError: a strength is outside its range.
    """

    angle: float = _up_to(60, usual=30)
    roll: float = _up_to(45, usual=5)
    zoom: float = _up_to(4, usual=1.6, least=1)
    exposure: float = _up_to(3, usual=0.8)
    contrast: float = _up_to(0.9, usual=0.25)
    temperature: float = _up_to(1, usual=0.4)
    shadow: float = _up_to(0.9, usual=0.5)
    haze: float = _up_to(0.9, usual=0.3)
    blur: float = _up_to(0.02, usual=0.003)
    noise: float = _up_to(50, usual=8)
    occlusion: float = _up_to(0.5, usual=0.15)
    quality: int = _up_to(95, usual=40, least=1)

    def __post_init__(self) -> None:
        for strength in fields(self):
            value, (least, greatest) = getattr(self, strength.name), strength.metadata["range"]
            if not least <= value <= greatest:  # True for NaN as well.
                raise UsageError(f"{strength.name} is {value}; choose {least} to {greatest}")


@dataclass(frozen=True)
class View:
    """A photo of another visit, and where it shows what.

    Attributes:
        photo: RGB.
        homography: (3, 3) float64, maps pixels (x, y, 1) of the original photo to pixels of this
            one, times a factor; pixel centres have whole coordinates.
    """

    photo: Image.Image
    homography: Matrix


_USUAL = Visit()


def rephotograph(
    photo: Image.Image, seed: int | np.random.Generator, visit: Visit = _USUAL
) -> Image.Image:
    """A photo of the same place from another visit; see `revisit`, which says where it looks."""
    return revisit(photo, seed, visit).photo


def revisit(photo: Image.Image, seed: int | np.random.Generator, visit: Visit = _USUAL) -> View:
    """Photograph a photo's place again.

    The view never shows what lies outside the photo, and is smaller than it: where it looks, it
    has about as many pixels as the photo has there. Different versions of the JPEG library may
    differ by a grey level; otherwise the same seed gives the same view everywhere.

    Args:
        photo: RGB, both sides at least 16 pixels.
        seed: of everything random. A generator gives another view at each call.
        visit: how different the view may be.

    Raises:
        PhotoError: the photo is too small or not RGB.
    """
    if photo.mode != "RGB":
        raise PhotoError(f"a photo of mode {photo.mode} cannot be re-photographed: convert to RGB")
    if min(photo.size) < 16:
        size = f"{photo.width}x{photo.height}"
        raise PhotoError(f"a photo of {size} pixels cannot be re-photographed: 16x16 at least")
    camera, street, sky, sensor = np.random.default_rng(seed).spawn(4)
    homography, shape = _look(photo.size, visit, camera)
    back = np.linalg.inv(homography)
    eight = (back / back[2, 2]).ravel()[:8].tolist()
    view = photo.transform(shape, Image.Transform.PERSPECTIVE, eight, Image.Resampling.BICUBIC)
    view = _occlude(view, visit.occlusion, street)
    view = _relight(view, visit, sky)
    view = _expose(view, visit, sensor)
    # From whole coordinates at edges to whole coordinates at pixel centres.
    homography = _translation(-0.5, -0.5) @ homography @ _translation(0.5, 0.5)
    return View(view, homography / homography[2, 2])


def _look(
    size: tuple[int, int], visit: Visit, random: np.random.Generator
) -> tuple[Matrix, tuple[int, int]]:
    """A homography from the photo to a view of it, edges at whole coordinates; the view's size."""
    width, height = size
    yaw, pitch = np.radians(visit.angle) * random.uniform(-1, 1, 2) * (1, 0.5)
    roll = np.radians(visit.roll) * random.uniform(-1, 1)
    orbit = _orbit(yaw, pitch, roll, max(size)) @ _translation(-width / 2, -height / 2)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    left, top, share = _largest_inside(project(orbit, corners), width, height)
    # The middle of a photo is what it was taken for: the mean of two draws prefers it.
    zoomed = share / random.uniform(1, visit.zoom)
    left += (share - zoomed) * width * random.uniform(0, 1, 2).mean()
    top += (share - zoomed) * height * random.uniform(0, 1, 2).mean()
    frame = corners * zoomed + (left, top)
    seen: Matrix = np.asarray(np.linalg.inv(orbit), float)
    resolution = np.sqrt(_area(project(seen, frame)) / _area(frame))
    columns, rows = (max(1, round(float(side * zoomed * resolution))) for side in size)
    scale = np.diag([columns / (zoomed * width), rows / (zoomed * height), 1.0])
    return scale @ _translation(-left, -top) @ orbit, (columns, rows)


def _orbit(yaw: float, pitch: float, roll: float, distance: float) -> Matrix:
    """A plane around the origin seen by a camera that walks around the origin (radians).

    The camera's focal length equals its distance from the plane, so that nothing changes at
    angle 0: H = K [r1 r2 t] with K = diag(d, d, 1) and t = (0, 0, d).
    """
    (sy, sp, sr), (cy, cp, cr) = np.sin((yaw, pitch, roll)), np.cos((yaw, pitch, roll))
    around_y = np.array([(cy, 0, sy), (0, 1, 0), (-sy, 0, cy)])
    around_x = np.array([(1, 0, 0), (0, cp, -sp), (0, sp, cp)])
    around_z = np.array([(cr, -sr, 0), (sr, cr, 0), (0, 0, 1)])
    pose = around_z @ around_x @ around_y
    pose[:, 2] = (0, 0, distance)
    return np.asarray(np.diag([distance, distance, 1.0]) @ pose)


def _largest_inside(corners: Matrix, width: float, height: float) -> tuple[float, float, float]:
    """The largest rectangle of an aspect inside a convex quadrilateral (4, 2), clockwise.

    Its left, top, and the factor to be multiplied with `width` and `height`.
    """
    along = np.roll(corners, -1, axis=0) - corners
    outward = np.column_stack([along[:, 1], -along[:, 0]])
    # Left, top and factor fulfil: the rectangle's corner farthest outward is not beyond a side.
    extent = outward.clip(min=0) @ (width, height)
    sides, limits = np.column_stack([outward, extent]), (outward * corners).sum(1)
    # A linear program in three unknowns; its optimum lies where three sides are touched.
    best = (0.0, 0.0, 0.0)
    for touched in combinations(range(4), 3):
        left, top, factor = np.linalg.solve(sides[list(touched)], limits[list(touched)])
        inside = sides @ (left, top, factor) <= limits + 1e-9 * np.abs(limits).max()
        if inside.all() and factor > best[2]:
            best = (float(left), float(top), float(factor))
    return best


def _translation(x: float, y: float) -> Matrix:
    return np.array([(1, 0, x), (0, 1, y), (0, 0, 1)], float)


def _area(polygon: Matrix) -> float:
    (x, y), (next_x, next_y) = polygon.T, np.roll(polygon, -1, axis=0).T
    return abs(float((x * next_y - y * next_x).sum())) / 2


def _occlude(view: Image.Image, share: float, random: np.random.Generator) -> Image.Image:
    """Hide at most a share of the view behind at most two things."""
    area = share * random.uniform(0, 1) * view.width * view.height / 2
    for _ in range(random.integers(0, 3) if share > 0 else 0):
        shape = (_post, _passer_by, _leaves)[random.integers(0, 3)]
        outline, texture = shape(random)
        outline *= np.sqrt(area / _area(outline))
        outline += (random.uniform(0, view.width), 0 if shape is _leaves else view.height)
        view = _cover(view, outline, texture)
    return view


def _cover(view: Image.Image, outline: Matrix, texture: Matrix) -> Image.Image:
    mask = Image.new("L", view.size)
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in outline.tolist()], fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(0.5 + 0.002 * max(view.size)))
    left, top, right, bottom = map(int, (*outline.min(0) - 1, *outline.max(0) + 1))
    front = view.copy()
    front.paste(_stretch(texture, (right - left, bottom - top)), (left, top))
    return Image.composite(front, view, mask)


def _post(random: np.random.Generator) -> tuple[Matrix, Matrix]:
    """A lamp post or trunk: outline (N, 2), up from the origin, and texture (h, w, 3), 0 to 255."""
    height, lean = random.uniform(8, 25), random.uniform(-0.5, 0.5)
    outline = np.array([(-0.5, 0), (-0.4 + lean, -height), (0.4 + lean, -height), (0.5, 0)])
    colour = random.uniform(30, 130) + random.uniform(-8, 8, 3)
    roundness = np.array([0.6, 0.9, 1.1, 1.0, 0.8, 0.55])[:, None]
    return outline, colour * roundness * random.normal(1, 0.08, (40, 6, 1))


def _passer_by(random: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Someone on foot, perhaps cut off by the lower edge of the view; as `_post`."""
    heights = (0, 0.05, 0.25, 0.45, 0.6, 0.78, 0.83, 0.86, 0.89, 0.93, 0.97, 1)
    widths = (0.09, 0.075, 0.085, 0.105, 0.1, 0.125, 0.105, 0.035, 0.045, 0.058, 0.048, 0.01)
    up = np.linspace(0, 1, 60)
    half = np.interp(up, heights, widths) * random.uniform(0.85, 1.3)
    left, right = random.uniform(0.9, 1.2, 2)
    x = np.concatenate([-left * half, right * half[::-1]])
    y = random.uniform(0, 0.35) - np.concatenate([up, up[::-1]])
    hair, skin = random.uniform((0.1, 0.35), 1, 2)[:, None] * ((110, 85, 65), (215, 165, 135))
    jacket, trousers = random.uniform(40, 190) + random.uniform(-30, 30, (2, 3))
    rows = np.repeat([hair, skin, jacket, 0.5 * trousers], (4, 4, 22, 30), axis=0)[:, None]
    return np.column_stack([x, y]), rows * random.normal(1, 0.08, (60, 16, 1))


def _leaves(random: np.random.Generator) -> tuple[Matrix, Matrix]:
    """A branch, around the origin; as `_post`."""
    around = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    waves = np.arange(2, 30)[:, None]
    heights, phases = random.normal(0, 0.35, waves.shape), random.uniform(0, 7, waves.shape)
    radius = np.exp((heights / waves**0.8 * np.cos(waves * around + phases)).sum(0))
    outline = np.column_stack([random.uniform(1, 2) * np.cos(around), np.sin(around)])
    green = np.array((60, 80, 40)) * random.uniform(0.4, 1.3) + random.uniform(-8, 8, 3)
    return outline * radius[:, None], green * random.lognormal(0, 0.45, (40, 40, 1))


def _relight(view: Image.Image, visit: Visit, random: np.random.Generator) -> Image.Image:
    darker, hazier = random.uniform(0, visit.shadow), random.uniform(0, visit.haze)
    shade = view.point(_tone(np.log2(1 - darker)) * 3)
    view = Image.composite(shade, view, _stretch(_one_side(random), view.size))
    haze = Image.new("RGB", view.size, tuple(random.integers((185, 190, 200), 236).tolist()))
    depth = hazier * np.linspace(255, 60, 8)[:, None]
    view = Image.composite(haze, view, _stretch(depth, view.size))
    stops, warmth = random.uniform(-1, 1, 2) * (visit.exposure, visit.temperature)
    contrast = 1 + random.uniform(-1, 1) * visit.contrast
    channels = (stops + warmth / 2, stops, stops - warmth / 2)
    return view.point([value for stop in channels for value in _tone(stop, contrast)])


def _tone(stops: float, contrast: float = 1) -> list[int]:
    """A table of 256 grey levels: more light by some stops, at gamma 2.2, then contrast."""
    light = (np.arange(256) / 255) ** 2.2 * 2.0**stops
    level = 0.5 + (light.clip(0, 1) ** (1 / 2.2) - 0.5) * contrast
    return [int(value) for value in (level * 255).round().clip(0, 255)]


def _one_side(random: np.random.Generator) -> Matrix:
    """A mask (24, 24), 0 to 255, of one side of a wavy and soft line."""
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    turn, wave = random.uniform(0, 2 * np.pi, 2)
    across = x * np.cos(turn) + y * np.sin(turn) + random.uniform(-0.6, 0.6)
    across += 0.15 * np.sin(4 * (y * np.cos(turn) - x * np.sin(turn)) + wave)
    return np.asarray(127.5 * (1 + np.tanh(across / random.uniform(0.03, 0.3))))


def _stretch(values: Matrix, size: tuple[int, int]) -> Image.Image:
    levels = values.round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)


def _expose(view: Image.Image, visit: Visit, random: np.random.Generator) -> Image.Image:
    """Blur, noise and JPEG."""
    radius = random.uniform(0, visit.blur) * max(view.size)
    pixels = np.asarray(view.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    grain = random.standard_normal((*pixels.shape[:2], 1), np.float32)
    pixels = pixels + grain * np.float32(random.uniform(0, visit.noise))
    file = io.BytesIO()
    noisy = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    noisy.save(file, "JPEG", quality=int(random.integers(visit.quality, 96)))
    return Image.open(file).convert("RGB")
