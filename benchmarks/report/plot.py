"""A chart of growth with logarithmic axes, on which a straight line of slope 1 is linear growth.

The SVG's colours follow the reader's light or dark scheme, also in an `<img>`.
"""

import math
from collections.abc import Callable, Sequence
from html import escape

_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 28, 44, 44

_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .title { font-size: 14px; font-weight: 600; fill: #1f2328 }
  .grid { stroke: #d0d7de }
  .linear { stroke: #8c959f; stroke-dasharray: 4 4; fill: none }
  .measured { stroke: #0969da; stroke-width: 2; fill: none }
  .point { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title { fill: #f0f6fc }
    .grid { stroke: #3d444d }
    .linear { stroke: #656c76 }
    .measured { stroke: #4493f8 }
    .point { fill: #4493f8 }
  }
"""

Points = Sequence[tuple[float, float]]


def exponent(points: Points) -> float:
    """The slope between the last two points: 0 is constant, 1 linear, 2 quadratic."""
    (x0, y0), (x1, y1) = points[-2:]
    return math.log(y1 / y0) / math.log(x1 / x0)


def growth_chart(points: Points, *, title: str, x_label: str, y_label: str) -> str:
    """The SVG; the dashed line is linear growth from the first point. Needs two or more positive values."""
    # The dashed line is cut at the top: the chart is only as high as the measured values need.
    x = _scale([x for x, _ in points], _LEFT, _WIDTH - _RIGHT)
    y = _scale([y for _, y in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="36">{escape(y_label)}; dashed: linear</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">{escape(x_label)}</text>',
    ]
    for value in _decades([x for x, _ in points]):
        parts.append(_line("grid", x(value), _TOP, x(value), _HEIGHT - _BOTTOM))
        parts.append(f'<text x="{x(value):.1f}" y="{_HEIGHT - 26}" text-anchor="middle">{value:,.10g}</text>')
    for value in _decades([y for _, y in points]):
        parts.append(_line("grid", _LEFT, y(value), _WIDTH - _RIGHT, y(value)))
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.10g}</text>')
    parts.append(_linear(points, x, y))
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    parts.append(f'<polyline class="measured" points="{path}"/>')
    parts += [f'<circle class="point" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.5"/>' for a, b in points]
    return "\n".join([*parts, "</svg>", ""])


def _decades(values: Sequence[float]) -> list[float]:
    """Powers of ten from the one at or below the smallest value to the one at or above the largest."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    decades = [math.log10(value) for value in _decades(values)]
    low, high = decades[0], decades[-1]
    return lambda value: start + (math.log10(value) - low) / (high - low) * (end - start)


def _linear(points: Points, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    first, value = points[0]
    top = _decades([value for _, value in points])[-1]
    last = min(points[-1][0], first * top / value)
    return _line("linear", x(first), y(value), x(last), y(value * last / first))


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
