"""Runs a tool of the catalogue: from its name and arguments to the text of the result."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.amap.map import links, routes, search, weather
from sandbox.amap.map.catalogue import TOOLS_BY_NAME
from sandbox.amap.map.cities import CITY_INDEX
from sandbox.amap.map.failure import MISSING, ToolError

Arguments = Mapping[str, Any]


def run(tool: str, arguments: Arguments, now: float) -> str:
    """The result's text: JSON, or a link. Raises `ToolError`; `now` is unix seconds."""
    if tool not in TOOLS_BY_NAME:
        raise ToolError("Unknown tool: " + tool)
    required = TOOLS_BY_NAME[tool].inputSchema["required"]
    if any(arguments.get(name) in (None, "", []) for name in required):
        raise ToolError(tool, MISSING)
    if tool == "maps_weather":
        result: object = _weather(str(arguments["city"]), now)
    else:
        result = _TOOLS[tool](arguments)
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, indent=2)


def _weather(name: str, now: float) -> dict[str, Any]:
    city = CITY_INDEX.find(name)
    if city is None:  # what the published package answers, word for word
        raise ToolError("Error: Cannot read properties of undefined (reading 'city')")
    return {"city": city.name, "forecasts": weather.forecast(city, weather.today(now))}


def _text(arguments: Arguments, name: str, default: str = "") -> str:
    value = arguments.get(name)
    return default if value in (None, "") else str(value)


def _between(mode: routes.Mode, wrapper: str) -> Callable[[Arguments], object]:
    return lambda a: {wrapper: routes.route(mode, _text(a, "origin"), _text(a, "destination"))}


_TOOLS: Mapping[str, Callable[[Arguments], object]] = {
    "maps_direction_bicycling": _between(routes.BICYCLING, "data"),
    "maps_direction_driving": _between(routes.DRIVING, "route"),
    "maps_direction_walking": _between(routes.WALKING, "route"),
    "maps_direction_transit_integrated": lambda a: {
        "route": routes.transit(
            _text(a, "origin"), _text(a, "destination"), _text(a, "city"), _text(a, "cityd")
        )
    },
    "maps_distance": lambda a: routes.distance(
        _text(a, "origins"), _text(a, "destination"), _text(a, "type", "1")
    ),
    "maps_geo": lambda a: search.geocode(_text(a, "address"), _text(a, "city") or None),
    "maps_regeocode": lambda a: search.regeocode(_text(a, "location")),
    "maps_ip_location": lambda a: search.locate_ip(_text(a, "ip")),
    "maps_around_search": lambda a: search.around_search(
        _text(a, "location"), _text(a, "keywords"), _text(a, "radius", "1000")
    ),
    "maps_search_detail": lambda a: search.detail(_text(a, "id")),
    "maps_text_search": lambda a: search.text_search(
        _text(a, "keywords"), _text(a, "city") or None, bool(a.get("citylimit"))
    ),
    "maps_schema_personal_map": lambda a: links.personal_map(_text(a, "orgName"), a["lineList"]),
    "maps_schema_navi": lambda a: links.navigation(_text(a, "lon"), _text(a, "lat")),
    "maps_schema_take_taxi": lambda a: links.taxi({name: str(value) for name, value in a.items()}),
}
