"""The arrows of help on the schematic map: a curve from tile to tile, its head, and where the number stands."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from callctl.web.shown.board import Flow

WIDTH, HEIGHT = 1000.0, 800.0  # The drawing's own units; the page stretches it over the map.
FIELD = 50  # The map is 50 by 50 fields.
TILE_WIDE, TILE_HIGH = 10, 9
BEND = 0.16  # How far a curve leaves the straight line, as a share of its length: two directions do not hide each other.
HEAD = 15.0  # Length of an arrow's head.


@dataclass(frozen=True, slots=True)
class Arc:
    """One drawn flow."""

    flow: Flow
    path: str
    head: str
    x: float
    y: float


def arcs(flows: Iterable[Flow], places: Mapping[str, tuple[int, int] | None]) -> list[Arc]:
    """The drawing of each flow whose two cities have a place on the map."""
    drawn = []
    for flow in flows:
        start, end = places.get(flow.supporting), places.get(flow.assisted)
        if start is not None and end is not None and start != end:
            drawn.append(_arc(flow, _centre(start), _centre(end)))
    return drawn


def _centre(place: tuple[int, int]) -> tuple[float, float]:
    return (place[0] + TILE_WIDE / 2) / FIELD * WIDTH, (place[1] + TILE_HIGH / 2) / FIELD * HEIGHT


def _arc(flow: Flow, start: tuple[float, float], end: tuple[float, float]) -> Arc:
    (x0, y0), (x1, y1) = start, end
    bend_x, bend_y = (x0 + x1) / 2 - (y1 - y0) * BEND, (y0 + y1) / 2 + (x1 - x0) * BEND

    def at(t: float) -> tuple[float, float]:
        """The point of the curve (a quadratic Bézier) at t, 0 to 1."""
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        return a * x0 + b * bend_x + c * x1, a * y0 + b * bend_y + c * y1

    half_wide, half_high = TILE_WIDE / 2 / FIELD * WIDTH, TILE_HIGH / 2 / FIELD * HEIGHT
    # The head stands where the curve enters the tile; the number beside the helper, where no other tile lies over it.
    first = next(n for n in range(101) if _outside(at(n / 100), start, half_wide, half_high)) / 100
    last = next(n for n in range(100, -1, -1) if _outside(at(n / 100), end, half_wide, half_high)) / 100
    tip, before = at(last), at(last - 0.06)
    angle = math.atan2(tip[1] - before[1], tip[0] - before[0])
    wings = [(tip[0] - HEAD * math.cos(angle + turn), tip[1] - HEAD * math.sin(angle + turn)) for turn in (0.45, -0.45)]
    x, y = at(first + min(0.06, (last - first) / 2))
    path = f"M{x0:.0f} {y0:.0f}Q{bend_x:.0f} {bend_y:.0f} {x1:.0f} {y1:.0f}"
    corners = " ".join(f"L{wing_x:.0f} {wing_y:.0f}" for wing_x, wing_y in wings)
    return Arc(flow, path, f"M{tip[0]:.0f} {tip[1]:.0f}{corners}Z", round(x), round(y))


def _outside(point: tuple[float, float], centre: tuple[float, float], half_wide: float, half_high: float) -> bool:
    return abs(point[0] - centre[0]) > half_wide or abs(point[1] - centre[1]) > half_high
