"""Routes and distances, computed: great-circle distance times a road factor, divided by a usual speed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.amap.map.cities import CITY_INDEX
from sandbox.amap.map.coordinates import Coordinates, parse_coordinates
from sandbox.amap.map.failure import INVALID, TOO_FAR, ToolError
from sandbox.amap.map.search import nearest_city


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to travel: `detour` is road metres for a metre of air line, `speed` in m/s, `reach` in metres."""

    label: str
    detour: float
    speed: float
    reach: float
    verb: str
    road: str

    def metres(self, origin: Coordinates, destination: Coordinates) -> int:
        return round(origin.metres_to(destination) * self.detour)

    def seconds(self, metres: int) -> int:
        return round(metres / self._pace(metres))

    def _pace(self, metres: int) -> float:
        """Cars are faster on long ways, which are mostly motorway."""
        return self.speed if self.speed < 6 or metres < 30_000 else self.speed * 2.4


WALKING = Mode("Direction Walking", 1.25, 1.25, 100_000, "步行", "人行道")
BICYCLING = Mode("Direction bicycling", 1.3, 4.2, 500_000, "骑行", "非机动车道")
DRIVING = Mode("Direction Driving", 1.35, 10.0, 6_000_000, "行驶", "城市道路")
_TRAIN_DETOUR, _TRAIN_SPEED, _BUS_DETOUR, _BUS_SPEED = 1.2, 62.0, 1.4, 5.5


def route(mode: Mode, origin: str, destination: str) -> dict[str, Any]:
    """One path with steps; the members' values are strings. Raises `ToolError`."""
    start, end = _points(mode.label, origin, destination)
    if start.metres_to(end) > mode.reach:
        raise ToolError(mode.label, TOO_FAR)
    metres = mode.metres(start, end)
    path: dict[str, Any] = {
        "distance": str(metres),
        "duration": str(mode.seconds(metres)),
        "steps": _steps(mode, start, end, metres),
    }
    if mode is DRIVING:
        path["path"] = "驾车"
    return {"origin": origin, "destination": destination, "paths": [path]}


def transit(origin: str, destination: str, city: str, cityd: str) -> dict[str, Any]:
    """`maps_direction_transit_integrated`: a bus within a city, a train between cities."""
    label = "Direction Transit Integrated"
    start, end = _points(label, origin, destination)
    here, there = CITY_INDEX.find(city), CITY_INDEX.find(cityd)
    if here is None or there is None:
        raise ToolError(label, INVALID)
    air = start.metres_to(end)
    walked = min(900, round(air * 0.2))
    walking = {
        "origin": origin,
        "destination": destination,
        "distance": str(walked),
        "duration": str(WALKING.seconds(walked)),
        "steps": [],
    }
    bus: dict[str, Any] = {"buslines": []}
    railway: dict[str, Any] = {}
    if here is there:
        metres = round(air * _BUS_DETOUR)
        seconds = round(metres / _BUS_SPEED) + 300
        bus["buslines"] = [
            {
                "name": f"{here.short_name}地铁1号线",
                "departure_stop": {"name": "起点站"},
                "arrival_stop": {"name": "终点站"},
                "distance": str(metres),
                "duration": str(seconds),
                "via_stops": [],
            }
        ]
    else:
        metres = round(air * _TRAIN_DETOUR)
        seconds = round(metres / _TRAIN_SPEED) + 3600
        railway = {
            "name": f"{here.short_name}-{there.short_name}",
            "trip": f"G{1000 + (int(here.adcode) + int(there.adcode)) // 100 % 8999}",
        }
    total = seconds + WALKING.seconds(walked)
    segment = {
        "walking": walking,
        "bus": bus,
        "entrance": {"name": ""},
        "exit": {"name": ""},
        "railway": railway,
    }
    return {
        "origin": origin,
        "destination": destination,
        "distance": str(metres + walked),
        "transits": [{"duration": str(total), "walking_distance": str(walked), "segments": [segment]}],
    }


def distance(origins: str, destination: str, kind: str = "1") -> dict[str, Any]:
    """`maps_distance`. `kind`: 0 air line, 1 by car, 3 on foot; several origins joined by `|`."""
    modes: dict[str, Callable[[Coordinates, Coordinates], tuple[int, int]]] = {
        "0": lambda start, end: (round(start.metres_to(end)), 0),
        "1": lambda start, end: _by(DRIVING, start, end),
        "3": lambda start, end: _by(WALKING, start, end),
    }
    if kind not in modes:
        raise ToolError("Direction Distance", INVALID)
    results = []
    for i, origin in enumerate(origins.split("|"), start=1):
        metres, seconds = modes[kind](*_points("Direction Distance", origin, destination))
        results.append(
            {"origin_id": str(i), "dest_id": "1", "distance": str(metres), "duration": str(seconds)}
        )
    return {"results": results}


def _by(mode: Mode, start: Coordinates, end: Coordinates) -> tuple[int, int]:
    metres = mode.metres(start, end)
    return metres, mode.seconds(metres)


def _points(label: str, origin: str, destination: str) -> tuple[Coordinates, Coordinates]:
    start, end = parse_coordinates(origin), parse_coordinates(destination)
    if start is None or end is None:
        raise ToolError(label, INVALID)
    return start, end


def _steps(mode: Mode, start: Coordinates, end: Coordinates, metres: int) -> list[dict[str, str]]:
    """Two legs, north-south and then east-west, in proportion."""
    corner = Coordinates(start.longitude, end.latitude)
    north, east = start.metres_to(corner), corner.metres_to(end)
    first = round(metres * north / (north + east)) if north + east else 0
    legs = ((start, corner, first), (corner, end, metres - first))
    return [
        {
            "instruction": f"沿{_road(mode, here)}向{here.bearing_to(there)}{mode.verb}{length}米",
            "road": _road(mode, here),
            "distance": str(length),
            "orientation": here.bearing_to(there),
            "duration": str(mode.seconds(length)),
        }
        for here, there, length in legs
        if length
    ]


def _road(mode: Mode, point: Coordinates) -> str:
    city = nearest_city(point)
    return f"{city.short_name}{mode.road}" if city else mode.road
