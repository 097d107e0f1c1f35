"""Line charts as SVG, for reports: text that any browser draws, nothing to install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from solar.errors import UsageError

Points = Sequence[tuple[float, float]]

# Told apart without colour vision too (Okabe, Ito), and on light and dark ground.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

_WIDTH, _HEIGHT = 520, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 36, 48


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    lines: Mapping[str, Points],
    *,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    even: bool = False,
) -> str:
    """Draw curves.

    Args:
        title: above the chart.
        x_label: below the axis.
        y_label: beside the axis.
        lines: points by the name of their curve, at most six curves.
        x_ticks: at least two, rising; the first and last are the ends of the axis.
        y_ticks: the same for the other axis.
        even: put the ticks of x at even distances, as for 64, 128, 256.

    Returns:
        An ``<svg>`` element.

    Raises:
        UsageError: more curves than there are colours.
    """
    if len(lines) > len(COLOURS):
        raise UsageError(f"{title}: {len(lines)} curves, at most {len(COLOURS)} can be told apart")

    def across(x: float) -> float:
        return _LEFT + _share(x, x_ticks, even) * (_WIDTH - _LEFT - _RIGHT)

    def down(y: float) -> float:
        return _HEIGHT - _BOTTOM - _share(y, y_ticks, False) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12" '
        'fill="currentColor">',
        _text(_LEFT, 20, title, "start", "font-weight='600' font-size='14'"),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, x_label),
        f'<g transform="rotate(-90 14 {_HEIGHT / 2})">{_text(14, _HEIGHT / 2, y_label)}</g>',
    ]
    for tick in y_ticks:
        parts.append(_rule(_LEFT, down(tick), _WIDTH - _RIGHT, down(tick)))
        parts.append(_text(_LEFT - 8, down(tick) + 4, f"{tick:g}", "end"))
    for tick in x_ticks:
        parts.append(_rule(across(tick), down(y_ticks[0]), across(tick), down(y_ticks[0]) + 5))
        parts.append(_text(across(tick), down(y_ticks[0]) + 18, f"{tick:g}"))
    for colour, points in zip(COLOURS, lines.values(), strict=False):
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points) <= 20:
            parts += [
                f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in points
            ]
    return "\n".join([*parts, *_legend(list(lines)), "</svg>"])


def _legend(names: Sequence[str]) -> list[str]:
    """Names in a row above the chart, from the right."""
    parts, right = [], float(_WIDTH - _RIGHT)
    for name, colour in reversed(list(zip(names, COLOURS, strict=False))):
        parts.append(_text(right, 20, name, "end"))
        right -= 8 * len(name) + 24
        parts.append(_rule(right, 16, right + 16, 16, colour, 3))
        right -= 14
    return parts


def _share(value: float, ticks: Sequence[float], even: bool) -> float:
    """How far along its axis a value stands, 0 to 1."""
    if not even:
        return (value - ticks[0]) / (ticks[-1] - ticks[0])
    steps = len(ticks) - 1
    for number in range(steps):
        low, high = ticks[number], ticks[number + 1]
        if value <= high or number == steps - 1:
            return (number + (value - low) / (high - low)) / steps
    raise AssertionError("an axis has two ticks")


def _text(x: float, y: float, text: str, anchor: str = "middle", style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(text)}</text>'


def _rule(
    x1: float, y1: float, x2: float, y2: float, colour: str = "#8886", width: float = 1
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )
