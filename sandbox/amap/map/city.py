"""What the map knows of a city, and how a name, in Chinese or in Latin letters, or an adcode finds it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.amap.map.coordinates import Coordinates


@dataclass(frozen=True, slots=True)
class District:
    """A county-level division: its Chinese name and adcode."""

    name: str
    adcode: str


@dataclass(frozen=True, slots=True)
class City:
    """A city; `january` and `july` are mean temperatures in °C, `rain` the share of wet days in percent."""

    name: str
    english: str
    province: str
    adcode: str
    citycode: str
    centre: Coordinates
    january: int
    july: int
    rain: int
    districts: tuple[District, ...]

    @property
    def short_name(self) -> str:
        """The name without its suffix: 杭州 for 杭州市."""
        return re.sub(r"(市|特别行政区)$", "", self.name)


class CityIndex:
    """Finds cities by name or adcode. Case, apostrophes, blanks, 市 and "City" do not matter."""

    def __init__(self, cities: Iterable[City]) -> None:
        self._by_key: dict[str, City] = {}
        for city in cities:
            adcodes = (city.adcode, *(district.adcode for district in city.districts))
            for key in (city.name, city.short_name, city.english, *adcodes):
                self._by_key.setdefault(_normal(key), city)

    def find(self, name: str) -> City | None:
        """The city of that name or adcode (a district's adcode finds its city); `None` if there is none."""
        key = _normal(name)
        return self._by_key.get(key) or self._by_key.get(re.sub(r"(city|市)$", "", key))


def _normal(name: str) -> str:
    return re.sub(r"[\s'’\-]", "", name).lower()
