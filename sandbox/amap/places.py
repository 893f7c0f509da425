"""The cities and places of the map, from `cities.csv` and `places.csv`: real names and real positions."""

import csv
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPASS = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")
_POINT = re.compile(r"\s*(-?\d{1,3}(?:\.\d+)?)\s*,\s*(-?\d{1,2}(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Point:
    """A position in degrees; as text `lng,lat`, the longitude first."""

    longitude: float
    latitude: float

    def __str__(self) -> str:
        return f"{self.longitude:.6f},{self.latitude:.6f}"

    def metres_to(self, other: "Point") -> float:
        """The great-circle distance."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        east = math.radians(other.longitude - self.longitude)
        chord = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(east / 2) ** 2
        return 2 * 6_371_008.8 * math.asin(math.sqrt(min(1.0, chord)))

    def bearing_to(self, other: "Point") -> str:
        """One of eight compass points, in Chinese."""
        east = (other.longitude - self.longitude) * math.cos(math.radians(self.latitude))
        return COMPASS[round(math.degrees(math.atan2(east, other.latitude - self.latitude)) / 45) % 8]

    def moved(self, north: float, east: float) -> "Point":
        """The point `north` and `east` metres away, within a city."""
        longitude = self.longitude + east / (111_195 * math.cos(math.radians(self.latitude)))
        return Point(round(longitude, 6), round(self.latitude + north / 111_195, 6))


def parse_point(text: str) -> Point | None:
    """Reads `lng,lat`; `None` if it is something else or outside of the globe."""
    found = _POINT.fullmatch(text)
    point = Point(float(found[1]), float(found[2])) if found else None
    return point if point and abs(point.longitude) <= 180 and abs(point.latitude) <= 90 else None


@dataclass(frozen=True, slots=True)
class City:
    """`january` and `july` are mean temperatures in °C."""

    name: str
    english: str
    province: str
    adcode: str
    citycode: str
    location: Point
    january: int
    july: int

    @property
    def short_name(self) -> str:
        """杭州 for 杭州市."""
        return re.sub(r"(市|特别行政区)$", "", self.name)


@dataclass(frozen=True, slots=True)
class Place:
    """A landmark, or with `kind` (a pattern of search words) an everyday place beside one."""

    id: str
    name: str
    english: str
    city: City
    district: str
    adcode: str
    location: Point
    address: str
    typecode: str
    type: str
    kind: str = ""


def _rows(name: str) -> list[dict[str, Any]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        if "location" in row:
            row["location"] = Point(*map(float, row["location"].split(",")))
    return rows


EVERYDAY = tuple(tuple(row.values()) for row in _rows("everyday.csv"))
"""Pattern of search words, typecode, type, and the name of one place beside each landmark."""


def _id(*parts: str) -> str:
    return "B0" + hashlib.sha256("/".join(parts).encode()).hexdigest()[:8].upper()


def _beside(landmark: Place, kind: str, typecode: str, type_: str, name: str) -> Place:
    name = f"{name}({landmark.name}店)"
    chance = hashlib.sha256(f"{landmark.city.adcode}{name}".encode()).digest()
    where = landmark.location.moved((chance[0] / 128 - 1) * 600, (chance[1] / 128 - 1) * 600)
    place = _id(landmark.city.adcode, name), name, f"{type_} near {landmark.english}"
    area = landmark.city, landmark.district, landmark.adcode
    return Place(*place, *area, where, f"{landmark.district}人民路{chance[2] + 1}号", typecode, type_, kind)


CITIES = tuple(
    City(**row | {"january": int(row["january"]), "july": int(row["july"])}) for row in _rows("cities.csv")
)
_CITY_NAMES = {city.name: city for city in CITIES}
LANDMARKS = tuple(
    Place(id=_id(_CITY_NAMES[row["city"]].adcode, row["name"]), **row | {"city": _CITY_NAMES[row["city"]]})
    for row in _rows("places.csv")
)
PLACES = LANDMARKS + tuple(_beside(landmark, *kind) for landmark in LANDMARKS for kind in EVERYDAY)


def _key(name: str) -> str:
    return re.sub(r"[\s'’\-]", "", name).lower()


_CITIES_BY_KEY = {_key(n): c for c in CITIES for n in (c.name, c.short_name, c.english)}


def find_city(name: str) -> City | None:
    """By name, in Chinese or in Latin letters, or by its adcode or that of a district."""
    if re.fullmatch(r"\d{6}", name.strip()):
        here = name.strip()[:4]
        return next((c for c in CITIES if c.adcode[:4] in (here, f"{here[:2]}00")), None)
    key = _key(name)
    return _CITIES_BY_KEY.get(key) or _CITIES_BY_KEY.get(re.sub(r"(city|市)$", "", key))


_NAMES = {n: (c.short_name, c.short_name) for c in CITIES for n in (c.name, c.short_name)}
_NAMES |= {city.english: (city.english, city.english) for city in CITIES}
_NAMES |= {place.name: (place.name, place.city.short_name) for place in LANDMARKS}
_NAMES |= {place.english: (place.english, place.city.english) for place in LANDMARKS}
_NAMES_BY_KEY = {_key(name): found for name, found in _NAMES.items()}
_ANY_NAME = "|".join(re.escape(name) for name in sorted(_NAMES, key=len, reverse=True))
_LETTERS = _ANY_NAME.replace("'", "['’]?").replace(r"\ ", r"\s*")
_KNOWN = re.compile(rf"(?<![A-Za-z])(?:{_LETTERS})(?![A-Za-z])", re.IGNORECASE)


def names(text: str) -> list[tuple[str, str]]:
    """The cities and landmarks that a text names, each with its city, in the letters of the text.

    The longest of overlapping names counts.
    """
    return [_NAMES_BY_KEY[_key(name)] for name in _KNOWN.findall(text)]
