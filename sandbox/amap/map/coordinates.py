"""Coordinates as the map writes them, `"lng,lat"` with the longitude first, and distances between them."""

import math
import re
from dataclasses import dataclass

_EARTH_RADIUS_METRES = 6_371_008.8
_PATTERN = re.compile(r"\s*(-?\d{1,3}(?:\.\d+)?)\s*,\s*(-?\d{1,2}(?:\.\d+)?)\s*")
_POINTS = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A point in degrees."""

    longitude: float
    latitude: float

    def __str__(self) -> str:
        return f"{self.longitude:.6f},{self.latitude:.6f}"

    def metres_to(self, other: "Coordinates") -> float:
        """The great-circle distance."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        east = math.radians(other.longitude - self.longitude)
        chord = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(east / 2) ** 2
        return 2 * _EARTH_RADIUS_METRES * math.asin(math.sqrt(min(1.0, chord)))

    def bearing_to(self, other: "Coordinates") -> str:
        """The compass point in Chinese, one of eight."""
        east = (other.longitude - self.longitude) * math.cos(math.radians(self.latitude))
        angle = math.degrees(math.atan2(east, other.latitude - self.latitude)) % 360
        return _POINTS[round(angle / 45) % 8]

    def moved(self, north: float, east: float) -> "Coordinates":
        """The point `north` and `east` metres away; good for the distances within a city."""
        latitude = self.latitude + north / 111_195
        return Coordinates(
            round(self.longitude + east / (111_195 * math.cos(math.radians(self.latitude))), 6),
            round(latitude, 6),
        )


def parse_coordinates(text: str) -> Coordinates | None:
    """Reads `"lng,lat"`; `None` if it is something else or outside of the globe."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        return None
    longitude, latitude = float(found[1]), float(found[2])
    if abs(longitude) > 180 or abs(latitude) > 90:
        return None
    return Coordinates(longitude, latitude)
