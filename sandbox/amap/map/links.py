"""The tools that answer a link into the map's own app. They validate nothing but the numbers, as links do."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from sandbox.amap.map.coordinates import parse_coordinates
from sandbox.amap.map.failure import INVALID, ToolError


def personal_map(name: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """`maps_schema_personal_map`: a personal map with the given lines of points."""
    if not lines:
        raise ToolError("Schema Personal Map", INVALID)
    content = json.dumps([name, lines], sort_keys=True, ensure_ascii=False).encode()
    number = hashlib.sha256(content).hexdigest()[:16]
    return f"amapuri://workInAmap/createWithToken?polymericId=mcp_{number}&from=MCP"


def navigation(longitude: str, latitude: str) -> str:
    """`maps_schema_navi`: navigation to a point."""
    _check(longitude, latitude, "Schema Navi")
    query = {"sourceApplication": "amap_mcp", "lon": longitude, "lat": latitude, "dev": "1", "style": "2"}
    return f"amapuri://navi?{urlencode(query)}"


def taxi(arguments: Mapping[str, str]) -> str:
    """`maps_schema_take_taxi`: a taxi to a named point, from a given point or from here."""
    _check(arguments["dlon"], arguments["dlat"], "Schema Take Taxi")
    names = ("slon", "slat", "sname", "dlon", "dlat", "dname")
    query = {"sourceApplication": "amapplatform"} | {
        name: arguments[name] for name in names if arguments.get(name)
    }
    return f"amapuri://drive/takeTaxi?{urlencode(query)}"


def _check(longitude: str, latitude: str, label: str) -> None:
    if parse_coordinates(f"{longitude},{latitude}") is None:
        raise ToolError(label, INVALID)
