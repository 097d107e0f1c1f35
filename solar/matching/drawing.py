"""The picture of a match: both photos, their keypoints, and lines between what matches."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from solar.matching.pair import Match
from solar.photos import Photo, open_photo

Canvas = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Points = npt.NDArray[np.floating]
Frame = tuple[int, int, int, int]
"""Left, top, width and height of a photo in the picture."""

WIDTH, HEIGHT = 1600, 1000
"""Pixels that the two photos together may take."""
LINES = 80
"""At most so many lines of inliers and as many of other matches: the nearest in descriptor."""

_GAP, _CAPTION = 8, 40
_GROUND, _INK = (24, 24, 24), (240, 240, 240)
_INLIER, _OTHER, _KEYPOINT = (40, 235, 110), (255, 190, 190), (255, 215, 80)
_WRONG = (255, 70, 60)
_FRACTION = 4  # bits of OpenCV's fractional coordinates


def draw_match(
    first: Photo, second: Photo, match: Match, caption: str | None = None, *, wrong: bool = False
) -> Image.Image:
    """Two photos side by side, or one above the other, whichever shows them larger.

    Inliers are joined by green lines, other matches by thin pale ones; yellow circles are
    keypoints. The caption is `match.summary`.

    Args:
        first: photo 1.
        second: photo 2.
        match: what `solar.match` found in them.
        caption: below the picture, instead of the summary.
        wrong: the matches that are no inliers are known to be wrong: joined by red lines.

    Returns:
        RGB, at most `WIDTH` wide.
    """
    import cv2

    photos = open_photo(first), open_photo(second)
    frames = _layout(photos[0].size, photos[1].size)
    canvas = _ground(photos, frames)
    points = [
        _to_canvas(keypoints.xy, size, frame)
        for keypoints, size, frame in zip(match.keypoints, match.sizes, frames, strict=True)
    ]
    ends = points[0][match.matches.first], points[1][match.matches.second]
    pale = canvas.copy()
    for xy in () if wrong else points:
        _circles(pale, xy, _KEYPOINT)
    if not wrong:
        _lines(pale, ends, _nearest(match, ~match.inliers), _OTHER, 1)
    canvas = cv2.addWeighted(canvas, 0.45, pale, 0.55, 0)
    if wrong:
        _lines(canvas, ends, _nearest(match, ~match.inliers), _WRONG, 1)
    drawn = _nearest(match, match.inliers)
    _lines(canvas, ends, drawn, _INLIER, 1)
    for xy in ends:
        _circles(canvas, xy[match.inliers], _INLIER)
    return _captioned(canvas, caption or match.summary)


def _layout(first: tuple[int, int], second: tuple[int, int]) -> tuple[Frame, Frame]:
    """Of one height side by side, or of one width one above the other: the larger of the two."""
    wide, other = first[0] / first[1], second[0] / second[1]
    height = min(HEIGHT, (WIDTH - _GAP) / (wide + other))
    width = min(WIDTH, (HEIGHT - _GAP) / (1 / wide + 1 / other))
    if height**2 * (wide + other) >= width**2 * (1 / wide + 1 / other):
        sizes = [(max(1, int(height * aspect)), max(1, int(height))) for aspect in (wide, other)]
        at = sizes[0][0] + _GAP, 0
    else:
        sizes = [(max(1, int(width)), max(1, int(width / aspect))) for aspect in (wide, other)]
        at = 0, sizes[0][1] + _GAP
    return (0, 0, *sizes[0]), (*at, *sizes[1])


def _ground(photos: tuple[Image.Image, Image.Image], frames: tuple[Frame, Frame]) -> Canvas:
    right, bottom = (max(p[axis] + p[axis + 2] for p in frames) for axis in (0, 1))
    picture = Image.new("RGB", (right, bottom), _GROUND)
    for photo, (left, top, width, height) in zip(photos, frames, strict=True):
        picture.paste(photo.resize((width, height), Image.Resampling.LANCZOS), (left, top))
    return np.array(picture)


def _to_canvas(xy: Points, size: tuple[int, int], frame: Frame) -> Points:
    left, top, width, height = frame
    scale = np.array([width / size[0], height / size[1]])
    return np.asarray((xy + 0.5) * scale - 0.5 + (left, top))


def _nearest(match: Match, of: npt.NDArray[np.bool_]) -> Rows:
    """Rows of the matches to draw, of those in a mask."""
    rows = np.flatnonzero(of)
    return rows[np.argsort(match.matches.distance[rows], kind="stable")[:LINES]]


def _fixed(xy: Points) -> list[tuple[int, int]]:
    """Fixed-point coordinates as OpenCV takes them."""
    return [(int(x), int(y)) for x, y in np.round(xy * 2**_FRACTION)]


def _lines(
    canvas: Canvas, ends: tuple[Points, Points], rows: Rows, colour: tuple[int, ...], width: int
) -> None:
    import cv2

    for start, end in zip(_fixed(ends[0][rows]), _fixed(ends[1][rows]), strict=True):
        cv2.line(canvas, start, end, colour, width, cv2.LINE_AA, _FRACTION)


def _circles(canvas: Canvas, xy: Points, colour: tuple[int, ...]) -> None:
    import cv2

    for centre in _fixed(xy):
        cv2.circle(canvas, centre, 3 << _FRACTION, colour, 1, cv2.LINE_AA, _FRACTION)


def _captioned(canvas: Canvas, text: str) -> Image.Image:
    height, width = canvas.shape[:2]
    picture = Image.new("RGB", (width, height + _CAPTION), _GROUND)
    picture.paste(Image.fromarray(canvas), (0, 0))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(20)
    if draw.textlength(text, font) > width - 20:
        font = ImageFont.load_default(20 * (width - 20) / draw.textlength(text, font))
    draw.text((10, height + _CAPTION / 2), text, _INK, font, anchor="lm")
    return picture
