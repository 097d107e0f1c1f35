"""Pictures of attention: its cells in colour over the photo, as coarse as they are."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# Dark violet over red to pale yellow: brightness rises with attention, also in grey.
_COLOURS = np.array(
    [(13, 8, 65), (96, 20, 120), (190, 45, 90), (246, 125, 50), (252, 250, 170)], np.float32
)
SIDE = 1024
LEAST_WIDTH = 120
_GAP, _BAR, _TEXT = 8, 16, 14  # pixels between panels; of the colour bar; of letters

Position = tuple[float, float]
Map = tuple[NDArray[np.float32], Position, str]
"""Weights (h, w), non-negative; x, y of the position in pixels of the photo; a caption."""


def attention_overlay(
    photo: Image.Image, weights: NDArray[np.float32], at: Position, greatest: float | None = None
) -> Image.Image:
    """Where a position attends, laid over the photo in colour, the position ringed.

    Args:
        photo: RGB.
        weights: (h, w), non-negative: cells that the photo is divided into.
        at: x, y in pixels of the photo.
        greatest: weight of the brightest colour; None for the greatest of these.

    Returns:
        The picture, longest side at most 1024 px.
    """
    picture = photo.copy()
    picture.thumbnail((SIDE, SIDE))
    return _panel(picture, photo.width, weights, at, greatest)


class AttentionFigure:
    """Maps of one photo side by side, on one scale of colours, which a bar at the right explains.

    Args:
        photo: RGB.
        maps: one or more.
        width: of the whole figure in pixels; None for panels whose longest side is the photo's, or
            1024 px.
    """

    def __init__(self, photo: Image.Image, maps: Sequence[Map], width: int | None = None) -> None:
        self.maps, self.source = maps, photo
        self.greatest = max(float(weights.max()) for weights, _, _ in maps)
        self.labels = [f"{100 * self.greatest:.3g} %", "0 %"]
        self.beside = _GAP + _BAR + _GAP + round(max(map(_font().getlength, self.labels))) + 2
        if width is None:
            factor = min(1.0, SIDE / max(photo.size))
            panel = max(1, round(photo.width * factor))
        else:
            panel = max(1, (width - self.beside - _GAP * (len(maps) - 1)) // len(maps))
        self.panel = panel, max(1, round(panel * photo.height / photo.width))
        self.lefts = [number * (panel + _GAP) for number in range(len(maps))]
        self.bar = self.lefts[-1] + panel + _GAP
        self.size = self.bar - _GAP + self.beside, self.panel[1] + 2 * _TEXT

    def draw(self) -> Image.Image:
        """As pixels."""
        figure = Image.new("RGB", self.size, "white")
        pen, font, height = ImageDraw.Draw(figure), _font(), self.panel[1]
        small = self.source.resize(self.panel, Image.Resampling.LANCZOS)
        for left, (weights, at, caption) in zip(self.lefts, self.maps, strict=True):
            figure.paste(_panel(small, self.source.width, weights, at, self.greatest), (left, 0))
            caption = _fitting(caption, self.panel[0])
            pen.text((left, height + _TEXT), caption, "black", font, anchor="lm")
        levels = np.linspace(1, 0, height, dtype=np.float32)[:, None]
        bar = Image.fromarray(_coloured(levels).round().astype(np.uint8))
        figure.paste(bar.resize((_BAR, height)), (self.bar, 0))
        for label, y, anchor in zip(self.labels, (0, height), ("la", "ld"), strict=True):
            pen.text((self.bar + _BAR + _GAP, y), label, "black", font, anchor=anchor)
        return figure

    def svg(self) -> str:
        """As a drawing: the cells are shapes that any editor can change, at any size sharp."""
        (width, height), (wide, high) = self.size, self.panel
        grey = BytesIO()
        self.source.convert("L").save(grey, "JPEG", quality=90)
        href = f"data:image/jpeg;base64,{b64encode(grey.getvalue()).decode()}"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="{_TEXT}">',
            "<!-- made by Solar -->",
            f'<defs><image id="photo" width="{wide}" height="{high}" href="{href}" '
            f'preserveAspectRatio="none"/><linearGradient id="bar" x2="0" y1="1" y2="0">'
            + "".join(
                f'<stop offset="{n / (len(_COLOURS) - 1)}" stop-color="{_hex(colour)}"/>'
                for n, colour in enumerate(_COLOURS)
            )
            + "</linearGradient></defs>",
        ]
        for left, (weights, at, caption) in zip(self.lefts, self.maps, strict=True):
            parts.append(f'<g transform="translate({left})"><use href="#photo"/>')
            parts.append('<g shape-rendering="crispEdges">')  # no seams between cells
            parts += [*self._cells(weights / max(self.greatest, 1e-12)), "</g>"]
            x, y = (coordinate * wide / self.source.width for coordinate in at)
            for colour, size in (("black", 5), ("white", 2)):
                parts.append(
                    f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{max(self.panel) / 60:.1f}" '
                    f'fill="none" stroke="{colour}" stroke-width="{size}"/>'
                )
            caption = escape(_fitting(caption, wide))
            parts.append(f'<text y="{high + 1.3 * _TEXT:.1f}">{caption}</text></g>')
        parts.append(f'<rect x="{self.bar}" width="{_BAR}" height="{high}" fill="url(#bar)"/>')
        for label, y in zip(self.labels, (0.8 * _TEXT, high), strict=True):
            parts.append(f'<text x="{self.bar + _BAR + _GAP}" y="{y:.1f}">{label}</text>')
        return "\n".join([*parts, "</svg>\n"])

    def _cells(self, levels: NDArray[np.float32]) -> list[str]:
        rows, columns = levels.shape
        wide, high = self.panel[0] / columns, self.panel[1] / rows
        return [
            f'<rect x="{x * wide:.2f}" y="{y * high:.2f}" width="{wide:.2f}" height="{high:.2f}" '
            f'fill="{_hex(colour)}" fill-opacity="{_share(levels[y, x]):.3f}"/>'
            for y, row in enumerate(_coloured(levels))
            for x, colour in enumerate(row)
        ]


def _panel(
    picture: Image.Image,
    width: int,
    weights: NDArray[np.float32],
    at: Position,
    greatest: float | None,
) -> Image.Image:
    """Cells over a picture of a photo of some width."""
    most = float(weights.max()) if greatest is None else greatest
    relative = Image.fromarray(weights / max(most, 1e-12))
    levels = np.asarray(relative.resize(picture.size, Image.Resampling.NEAREST))
    share = _share(levels)[..., None]
    mixed = np.asarray(picture.convert("L"))[..., None] * (1 - share) + _coloured(levels) * share
    result = Image.fromarray(mixed.round().astype(np.uint8))
    scale = picture.width / width
    x, y, radius = at[0] * scale, at[1] * scale, max(picture.size) / 60
    draw = ImageDraw.Draw(result)
    for colour, grow in (("black", 2), ("white", 0)):
        draw.ellipse(
            (x - radius - grow, y - radius - grow, x + radius + grow, y + radius + grow),
            outline=colour,
            width=3,
        )
    return result


def _share(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of a colour covers the photo."""
    return 0.35 + 0.4 * levels


def _coloured(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) in 0-1 -> (h, w, 3) in 0-255."""
    steps = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(levels, steps, _COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def _hex(colour: NDArray[np.float32]) -> str:
    return "#" + "".join(f"{round(float(channel)):02x}" for channel in colour)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)


def _fitting(text: str, width: float) -> str:
    """As many words as fit."""
    while text and _font().getlength(text) > width:
        text = text.rpartition(" ")[0]
    return text
