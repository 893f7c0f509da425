"""The 15 tools of the map: the same results for every caller, computed from the fixtures.

`tools.json` is the result of `tools/list`. Lengths of routes are air lines times a detour; the weather of a
day depends on the city and the date alone.
"""

import hashlib
import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mcp.types import Tool

from sandbox.amap.places import (
    CITIES,
    COMPASS,
    LANDMARKS,
    PLACES,
    City,
    Place,
    Point,
    find_city,
    names,
    parse_point,
)

NOT_FOUND, INVALID = "ENGINE_RESPONSE_DATA_ERROR", "INVALID_PARAMS"
MISSING, TOO_FAR = "MISSING_REQUIRED_PARAMS", "OVER_DIRECTION_RANGE"
_CHINA_TIME = timezone(timedelta(hours=8), "Asia/Shanghai")
_SKIES = ("晴", "多云", "阴", "小雨", "晴", "多云", "阵雨", "中雨")
_MOST_RESULTS = 20
_OUTSIDE = 80_000  # metres from every city: the map has nothing there
Arguments = Mapping[str, Any]


class ToolError(Exception):
    """A failed tool, reported as a result with `isError`: `ToolError("Geocoding", INVALID)`."""

    def __init__(self, what: str, code: str | None = None) -> None:
        super().__init__(f"{what} failed: {code}" if code else what)


TOOLS = tuple(
    Tool.model_validate(tool)
    for tool in json.loads(Path(__file__).with_name("tools.json").read_text(encoding="utf-8"))
)
TOOLS_BY_NAME = {tool.name: tool for tool in TOOLS}


def today(now: float) -> date:
    """The date in China at `now` (unix seconds)."""
    return datetime.fromtimestamp(now, UTC).astimezone(_CHINA_TIME).date()


def called(tool: str, arguments: Arguments, now: float) -> tuple[str, bool]:
    """The result's text (JSON, or a link), and whether the tool has failed; `now` is unix seconds."""
    try:
        return run(tool, arguments, now), False
    except ToolError as failure:
        return str(failure), True


def run(tool: str, arguments: Arguments, now: float) -> str:
    """The result's text. Raises `ToolError`."""
    if tool not in TOOLS_BY_NAME:
        raise ToolError("Unknown tool: " + tool)
    if any(arguments.get(name) in (None, "", []) for name in TOOLS_BY_NAME[tool].inputSchema["required"]):
        raise ToolError(tool, MISSING)
    whole = ("lineList", "citylimit")  # all other arguments are texts
    given = {n: v if n in whole else str(v) for n, v in arguments.items() if v is not None}
    result = _weather(given, now) if tool == "maps_weather" else _TOOLS[tool](given)
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, indent=2)


def _weather(given: Arguments, now: float) -> object:
    city, start = find_city(given["city"]), today(now)
    if city is None:  # the words of the published package
        raise ToolError("Error: Cannot read properties of undefined (reading 'city')")
    return {"city": city.name, "forecasts": [_forecast(city, start + timedelta(i)) for i in range(4)]}


def _forecast(city: City, day: date) -> dict[str, str]:
    chance = hashlib.sha256(f"{city.adcode}/{day.isoformat()}".encode()).digest()
    season = (1 - math.cos(2 * math.pi * (day.timetuple().tm_yday - 16) / 365.25)) / 2
    high = round(city.january + (city.july - city.january) * season) + 2 + chance[0] % 5
    low, wind = high - 4 - chance[1] % 5, COMPASS[chance[2] % 8]
    power = "4-5" if chance[3] % 4 == 0 else "1-3"
    skies = [_SKIES[chance[i] % 8] for i in (4, 5)]
    if high < 2:
        skies = ["小雪" if "雨" in sky else sky for sky in skies]
    return {
        "date": day.isoformat(),
        "week": str(day.isoweekday()),
        **dict(zip(("dayweather", "nightweather"), skies, strict=True)),
        "daytemp": str(high),
        "nighttemp": str(low),
        **dict.fromkeys(("daywind", "nightwind"), wind),
        **dict.fromkeys(("daypower", "nightpower"), power),
        "daytemp_float": f"{high}.0",
        "nighttemp_float": f"{low}.0",
    }


@dataclass(frozen=True, slots=True)
class _Mode:
    """`detour` is road metres for a metre of air line, `speed` in m/s, `reach` in metres."""

    label: str
    detour: float
    speed: float
    reach: float
    verb: str

    def length(self, start: Point, end: Point) -> tuple[int, int]:
        """Metres and seconds; long ways by car are mostly motorway."""
        metres = round(start.metres_to(end) * self.detour)
        return metres, self.seconds(metres)

    def seconds(self, metres: int) -> int:
        return round(metres / (self.speed * 2.4 if self.speed > 6 and metres >= 30_000 else self.speed))


_WALKING = _Mode("Direction Walking", 1.25, 1.25, 100_000, "步行")
_BICYCLING = _Mode("Direction bicycling", 1.3, 4.2, 500_000, "骑行")
_DRIVING = _Mode("Direction Driving", 1.35, 10.0, 6_000_000, "行驶")
_METRO = _Mode("Direction Transit Integrated", 1.4, 5.5, 6_000_000, "乘坐")
_TRAIN = _Mode("Direction Transit Integrated", 1.2, 25.0, 6_000_000, "乘坐")


def _ends(label: str, origin: str, destination: str) -> tuple[Point, Point]:
    start, end = parse_point(origin), parse_point(destination)
    if start is None or end is None:
        raise ToolError(label, INVALID)
    return start, end


def _route(mode: _Mode, given: Arguments) -> dict[str, Any]:
    """One path of two legs, north-south and then east-west; all values are texts."""
    start, end = _ends(mode.label, given["origin"], given["destination"])
    if start.metres_to(end) > mode.reach:
        raise ToolError(mode.label, TOO_FAR)
    metres, seconds = mode.length(start, end)
    corner = Point(start.longitude, end.latitude)
    north, east = start.metres_to(corner), corner.metres_to(end)
    first = round(metres * north / (north + east)) if north + east else 0
    legs = ((start.bearing_to(corner), first), (corner.bearing_to(end), metres - first))
    steps = [
        {
            "instruction": f"向{bearing}{mode.verb}{length}米",
            "road": [],
            "distance": str(length),
            "orientation": bearing,
            "duration": str(mode.seconds(length)),
        }
        for bearing, length in legs
        if length
    ]
    path = {"distance": str(metres), "duration": str(seconds), "steps": steps}
    path |= {"path": "驾车"} if mode is _DRIVING else {}
    return {"origin": given["origin"], "destination": given["destination"], "paths": [path]}


def _transit(given: Arguments) -> dict[str, Any]:
    """A metro within a city, a train between cities."""
    origin, destination = given["origin"], given["destination"]
    start, end = _ends(_METRO.label, origin, destination)
    here, there = find_city(given["city"]), find_city(given["cityd"])
    if here is None or there is None:
        raise ToolError(_METRO.label, INVALID)
    metres, seconds = (_METRO if here is there else _TRAIN).length(start, end)
    line = {"name": f"{here.short_name}地铁1号线", "distance": str(metres), "duration": str(seconds)}
    train = {"name": f"{here.short_name}-{there.short_name}", "trip": "G1000"}
    ends = {"origin": origin, "destination": destination}
    walk = {"distance": "600", "duration": str(_WALKING.seconds(600)), "steps": []}
    segment = {
        "walking": ends | walk,
        "bus": {"buslines": [line] if here is there else []},
        "entrance": {"name": ""},
        "exit": {"name": ""},
        "railway": {} if here is there else train,
    }
    way = {"duration": str(seconds + _WALKING.seconds(600)), "walking_distance": "600", "segments": [segment]}
    return {"route": {**ends, "distance": str(metres + 600), "transits": [way]}}


def _distance(given: Arguments) -> object:
    """From each origin, by type: 0 air line, 1 by car, 3 on foot."""
    modes = {"0": _Mode("", 1, math.inf, 0, ""), "1": _DRIVING, "3": _WALKING}
    if (mode := modes.get(given.get("type") or "1")) is None:
        raise ToolError("Direction Distance", INVALID)
    results = []
    for i, origin in enumerate(given["origins"].split("|"), start=1):
        metres, seconds = mode.length(*_ends("Direction Distance", origin, given["destination"]))
        results.append(
            {"origin_id": str(i), "dest_id": "1", "distance": str(metres), "duration": str(seconds)}
        )
    return {"results": results}


def _city_in(text: str) -> City | None:
    """The city that a text names first."""
    return next((find_city(city) for name, city in names(text) if name == city), None)


def _nearest(point: Point | None, label: str) -> City | None:
    """The city around a point; `None` far from all of them. Raises `ToolError` without a point."""
    if point is None:
        raise ToolError(label, INVALID)
    city = min(CITIES, key=lambda city: city.location.metres_to(point))
    return city if city.location.metres_to(point) <= _OUTSIDE else None


def _geocode(given: Arguments) -> object:
    """A landmark, a district or a city that the address names; `city` only breaks ties."""
    address = given["address"]
    home = find_city(given.get("city", ""))
    named = find_city(address) or _city_in(address)
    near = [place for place in LANDMARKS if place.city is (home or named or place.city)]
    # 西湖区 is a district, not the lake.
    found = [
        p
        for p in near
        if p.name in address.replace(f"{p.name}区", "") or p.english.lower() in address.lower()
    ]
    place = None if find_city(address) else max(found, key=lambda place: len(place.name), default=None)
    district = place or next((p for p in near if (named or home) and p.district in address), None)
    town = district.city if district else named
    if town is None:
        raise ToolError("Geocoding", NOT_FOUND)
    result = {
        "country": "中国",
        "province": town.province,
        "city": town.name,
        "citycode": town.citycode,
        "district": district.district if district else [],
        "street": place.address if place else [],
        "number": [],
        "adcode": district.adcode if district else town.adcode,
        "location": str(district.location if district else town.location),
        "level": "兴趣点" if place else "区县" if district else "市",
    }
    return {"results": [result]}


def _regeocode(given: Arguments) -> object:
    """The nearest city and the district of its nearest landmark; `provice` is the service's spelling."""
    point = parse_point(given["location"])
    city = _nearest(point, "RGeocoding")
    if point is None or city is None:
        raise ToolError("RGeocoding", NOT_FOUND)
    near = min((p for p in LANDMARKS if p.city is city), key=lambda p: p.location.metres_to(point))
    return {"provice": city.province, "city": city.name, "district": near.district}


def _locate_ip(given: Arguments) -> object:
    """A public IPv4 address always belongs to the same city."""
    try:
        address = ipaddress.IPv4Address(given["ip"].strip())
    except ValueError:
        raise ToolError("IP Location", INVALID) from None
    if not address.is_global:
        raise ToolError("IP Location", NOT_FOUND)
    city = CITIES[int(address) // 65_536 % len(CITIES)]
    corners = city.location.moved(-15_000, -15_000), city.location.moved(15_000, 15_000)
    found = {"province": city.province, "city": city.name, "adcode": city.adcode}
    return found | {"rectangle": ";".join(map(str, corners))}


def _matching(keywords: str, home: City | None) -> list[Place]:
    """The places that keywords name or describe, in one city or in all."""
    wanted = keywords.strip().lower()
    for name in (home.english.lower(), home.name, home.short_name) if home else ():
        wanted = wanted if wanted == name else wanted.replace(name, "").strip(" ,，")
    return [
        place
        for place in PLACES
        if home in (None, place.city)
        and (
            re.search(place.kind, wanted) if place.kind else wanted in f"{place.name}|{place.english.lower()}"
        )
    ]


def _text_search(given: Arguments) -> object:
    """In the city, else everywhere unless `citylimit` is set."""
    keywords = given["keywords"]
    home = find_city(given.get("city", "")) or _city_in(keywords)
    found = _matching(keywords, home) or ([] if given.get("citylimit") is True else _matching(keywords, None))
    return {"suggestion": {"keywords": [], "ciytes": []}, "pois": _pois(found)}


def _around_search(given: Arguments) -> object:
    """The places within `radius` metres, the nearest first."""
    point, radius = parse_point(given["location"]), given.get("radius", "1000").strip()
    home = _nearest(point if radius.isdigit() else None, "Around Search")
    if point is None or home is None:
        return {"pois": []}
    near = [(place.location.metres_to(point), place) for place in _matching(given["keywords"], home)]
    near = sorted((pair for pair in near if pair[0] <= int(radius)), key=lambda pair: (pair[0], pair[1].id))
    return {"pois": _pois([place for _, place in near])}


def _pois(places: list[Place]) -> list[dict[str, str]]:
    members = ("id", "name", "address", "typecode")
    return [{name: getattr(place, name) for name in members} for place in places[:_MOST_RESULTS]]


def _detail(given: Arguments) -> object:
    place = next((place for place in PLACES if place.id == given["id"]), None)
    if place is None:
        raise ToolError("get poi detail failed: Cannot read properties of undefined (reading 'id')")
    members = {name: getattr(place, name) for name in ("id", "name", "address", "type")}
    area = {"business_area": place.district, "city": place.city.name, "alias": place.english}
    return members | area | {"location": str(place.location)}


def _link(label: str, place: str, query: Mapping[str, str], point: str) -> str:
    if parse_point(point) is None:
        raise ToolError(label, INVALID)
    return f"amapuri://{place}?{urlencode(query)}"


def _navigation(given: Arguments) -> str:
    at = {name: given[name] for name in ("lon", "lat")}
    query = {"sourceApplication": "amap_mcp", **at, "dev": "1", "style": "2"}
    return _link("Schema Navi", "navi", query, ",".join(at.values()))


def _taxi(given: Arguments) -> str:
    members = ("slon", "slat", "sname", "dlon", "dlat", "dname")
    query = {"sourceApplication": "amapplatform"} | {name: given[name] for name in members if given.get(name)}
    return _link("Schema Take Taxi", "drive/takeTaxi", query, f"{given['dlon']},{given['dlat']}")


def _personal_map(given: Arguments) -> str:
    content = json.dumps([given["orgName"], given["lineList"]], sort_keys=True).encode()
    number = hashlib.sha256(content).hexdigest()[:16]
    return f"amapuri://workInAmap/createWithToken?polymericId=mcp_{number}&from=MCP"


_TOOLS: Mapping[str, Callable[[Arguments], object]] = {
    "maps_direction_bicycling": lambda given: {"data": _route(_BICYCLING, given)},
    "maps_direction_driving": lambda given: {"route": _route(_DRIVING, given)},
    "maps_direction_walking": lambda given: {"route": _route(_WALKING, given)},
    "maps_direction_transit_integrated": _transit,
    "maps_distance": _distance,
    "maps_geo": _geocode,
    "maps_regeocode": _regeocode,
    "maps_ip_location": _locate_ip,
    "maps_around_search": _around_search,
    "maps_search_detail": _detail,
    "maps_text_search": _text_search,
    "maps_schema_personal_map": _personal_map,
    "maps_schema_navi": _navigation,
    "maps_schema_take_taxi": _taxi,
}
