"""What an argument is for, read off its schema: a city, a point, a date, …, and which end of a way."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What kind of thing an argument takes."""

    CHOICE = "choice"
    FLAG = "flag"
    POINT = "point"
    LONGITUDE = "longitude"
    LATITUDE = "latitude"
    CITY = "city"
    ADDRESS = "address"
    KEYWORDS = "keywords"
    MESSAGE = "message"
    DATE = "date"
    IP = "ip"
    LENGTH = "length"
    IDENTIFIER = "identifier"
    NUMBER = "number"
    OTHER = "other"
    STRUCTURE = "structure"


class End(StrEnum):
    """Which end of a way an argument is about."""

    ORIGIN = "origin"
    DESTINATION = "destination"


_POINT = re.compile(r"经纬度|坐标|coordinates|l(?:ng|on)\w*\s*,\s*lat|lat\w*\s*,\s*l(?:ng|on)")
_BY_NAME = (
    (Role.IP, {"ip"}),
    (Role.DATE, {"date", "day", "when"}),
    (Role.KEYWORDS, {"keyword", "keywords", "query", "q", "search", "term", "terms", "topic"}),
    (Role.ADDRESS, {"address", "landmark"}),
    (Role.CITY, {"city", "cityd", "town", "place", "location", "region", "cities"}),
    (
        Role.MESSAGE,
        {
            "message",
            "msg",
            "text",
            "content",
            "prompt",
            "question",
            "greeting",
            "input",
            "note",
            "body",
            "comment",
        },
    ),
    (Role.LENGTH, {"radius"}),
    (Role.IDENTIFIER, {"id", "number", "code", "no", "sku", "reference", "identifier"}),
)
_BY_DESCRIPTION = (
    (Role.IP, re.compile(r"ip address|ip 地址")),
    (Role.DATE, re.compile(r"日期|iso 8601|yyyy-mm-dd")),
    (Role.KEYWORDS, re.compile(r"关键词|keywords")),
    (Role.CITY, re.compile(r"城市|\bcity\b")),
    (Role.ADDRESS, re.compile(r"地址|\baddress\b")),
    (Role.IDENTIFIER, re.compile(r"编号|单号|\bidentifier\b")),
)
_LONGITUDE, _LATITUDE = {"lon", "lng", "longitude", "dlon", "slon"}, {"lat", "latitude", "dlat", "slat"}
_ORIGIN = {"origin", "origins", "from", "source", "start", "departure", "slon", "slat", "sname"}
_DESTINATION = {
    "destination",
    "destinations",
    "dest",
    "to",
    "target",
    "end",
    "arrival",
    "dlon",
    "dlat",
    "dname",
    "cityd",
}


def words_of(name: str) -> list[str]:
    """`startDate` and `start_date` → `start`, `date`."""
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower().split()


def role(name: str, schema: Mapping[str, Any]) -> Role:
    """The role of the argument `name`; `OTHER` if neither name nor description tells."""
    kind, names = schema.get("type"), set(words_of(name))
    description = str(schema.get("description", "")).lower()
    if schema.get("enum"):
        return Role.CHOICE
    if kind == "boolean":
        return Role.FLAG
    if kind in ("object", "array"):
        return Role.STRUCTURE
    if names & _LONGITUDE:
        return Role.LONGITUDE
    if names & _LATITUDE:
        return Role.LATITUDE
    if kind in ("integer", "number"):
        return Role.LENGTH if names & {"radius"} else Role.NUMBER
    if _POINT.search(description):
        return Role.POINT
    for found, known in _BY_NAME:
        if names & known:
            return found
    return next((found for found, pattern in _BY_DESCRIPTION if pattern.search(description)), Role.OTHER)


def end(name: str, schema: Mapping[str, Any]) -> End | None:
    """Which end of a way the argument is about, if any."""
    names, description = set(words_of(name)), str(schema.get("description", "")).lower()
    if names & _DESTINATION or re.search(r"终点|目的地|\bof the destination\b", description):
        return End.DESTINATION
    if names & _ORIGIN or re.search(r"起点|出发|\bof the origin\b", description):
        return End.ORIGIN
    return None
