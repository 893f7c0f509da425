"""What an argument is for, read off its schema: a city, a point, a date, …, and which end of a way."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

Role = StrEnum(
    "Role",
    "POINT LONGITUDE LATITUDE CITY ADDRESS OTHER KEYWORDS MESSAGE DATE PERIOD IP EMAIL LENGTH IDENTIFIER"
    " NUMBER CHOICE FLAG STRUCTURE",
)
POINTS = (Role.POINT, Role.LONGITUDE, Role.LATITUDE)
PLACES = (*POINTS, Role.CITY, Role.ADDRESS, Role.OTHER)
_POINT = re.compile(r"经纬度|坐标|coordinates|l(?:ng|on)\w*\s*,\s*lat|lat\w*\s*,\s*l(?:ng|on)")
_TYPES = {"boolean": Role.FLAG, "object": Role.STRUCTURE, "array": Role.STRUCTURE}
_TYPES |= {"integer": Role.NUMBER, "number": Role.NUMBER}
_COORDINATES = ((Role.LONGITUDE, "lon lng longitude dlon slon"), (Role.LATITUDE, "lat latitude dlat slat"))
_TEXTS = (  # the role, words of the argument's name, else a pattern in its description
    (Role.IP, "ip", "ip address|ip 地址"),
    (Role.EMAIL, "email mail", r"e-?mail address|邮箱"),
    (Role.PERIOD, "month period quarter", r"yyyy-mm(?!-)|月份"),
    (Role.DATE, "date day when since until", "日期|iso 8601|yyyy-mm-dd"),
    (Role.KEYWORDS, "keyword keywords query q search term terms topic", "关键词|keywords"),
    (Role.ADDRESS, "address landmark", r"地址|\baddress\b"),
    (Role.CITY, "city cityd town place location region cities", r"城市|\bcity\b"),
    (Role.MESSAGE, "message msg text content prompt question greeting input note body comment", "(?!)"),
    (Role.IDENTIFIER, "id number code no sku reference identifier", r"编号|单号|\bidentifier\b"),
)
_ORIGIN = {"origin", "origins", "from", "source", "start", "departure", "slon", "slat", "sname"}
_DESTINATION = {"destination", "destinations", "dest", "to", "target", "end", "arrival"}
_DESTINATION |= {"dlon", "dlat", "dname", "cityd"}


def words_of(name: str) -> list[str]:
    """`startDate` and `start_date` → `start`, `date`."""
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower().split()


def role(name: str, schema: Mapping[str, Any]) -> Role:
    """The role of the argument `name`; `OTHER` if neither name nor description shows it."""
    names, description = set(words_of(name)), str(schema.get("description", "")).lower()
    if schema.get("enum"):
        return Role.CHOICE
    if "radius" in names:
        return Role.LENGTH
    for found, known in _COORDINATES:
        if names & set(known.split()):
            return found
    if found_type := _TYPES.get(str(schema.get("type"))):
        return found_type
    if _POINT.search(description):
        return Role.POINT
    by_name = (found for found, known, _ in _TEXTS if names & set(known.split()))
    by_description = (found for found, _, pattern in _TEXTS if re.search(pattern, description))
    return next(by_name, None) or next(by_description, Role.OTHER)


def end(name: str, schema: Mapping[str, Any]) -> int | None:
    """Which end of a way the argument is about: 0 the origin, 1 the destination, None neither."""
    names, description = set(words_of(name)), str(schema.get("description", "")).lower()
    if names & _DESTINATION or re.search(r"终点|目的地|\bof the destination\b", description):
        return 1
    return 0 if names & _ORIGIN or re.search(r"起点|出发|\bof the origin\b", description) else None
