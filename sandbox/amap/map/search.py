"""Finding places: addresses to coordinates and back, IP addresses, keywords, surroundings, details."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.amap.map.cities import CITIES, CITY_INDEX
from sandbox.amap.map.city import City, District
from sandbox.amap.map.coordinates import Coordinates, parse_coordinates
from sandbox.amap.map.failure import INVALID, NOT_FOUND, ToolError
from sandbox.amap.map.names import names
from sandbox.amap.map.places import EVERYDAY_WORDS, LANDMARKS, Place, everyday_places

_LIMIT = 20
_OUTSIDE = 80_000  # metres from every city: the map has nothing there


def geocode(address: str, city: str | None = None) -> dict[str, Any]:
    """`maps_geo`. A landmark, a district or a city named in the address; `city` only breaks ties."""
    home = CITY_INDEX.find(city) if city else None
    town = CITY_INDEX.find(address)
    place = None if town else _landmark_in(address, home or _city_in(address))
    if place:
        found = _geocoded(place.city, place.district, place.location, "兴趣点", place.address)
        return {"results": [found]}
    named = town or _city_in(address)
    town = named or home
    district = next((d for d in town.districts if d.name in address), None) if town else None
    if town is None or (named is None and district is None):
        raise ToolError("Geocoding", NOT_FOUND)
    location = _centre(town, district) if district else town.centre
    return {"results": [_geocoded(town, district, location, "区县" if district else "市", "")]}


def regeocode(location: str) -> dict[str, Any]:
    """`maps_regeocode`. The nearest city and district; `provice` is spelled as the service spells it."""
    point = parse_coordinates(location)
    if point is None:
        raise ToolError("RGeocoding", INVALID)
    city = nearest_city(point)
    if city is None:
        raise ToolError("RGeocoding", NOT_FOUND)
    district = min(
        city.districts, key=lambda district: _nearest_known(city, district).metres_to(point), default=None
    )
    return {"provice": city.province, "city": city.name, "district": district.name if district else ""}


def locate_ip(ip: str) -> dict[str, Any]:
    """`maps_ip_location`. Any public IPv4 address belongs to some city, always the same."""
    try:
        address = ipaddress.IPv4Address(ip.strip())
    except ValueError:
        raise ToolError("IP Location", INVALID) from None
    if not address.is_global:
        raise ToolError("IP Location", NOT_FOUND)
    city = CITIES[int(address) // 65_536 % len(CITIES)]
    corner, opposite = city.centre.moved(-15_000, -15_000), city.centre.moved(15_000, 15_000)
    return {
        "province": city.province,
        "city": city.name,
        "adcode": city.adcode,
        "rectangle": f"{corner};{opposite}",
    }


def text_search(keywords: str, city: str | None = None, citylimit: bool = False) -> dict[str, Any]:
    """`maps_text_search`. Landmarks of the city first, elsewhere only without `citylimit`."""
    home = CITY_INDEX.find(city) if city else _city_in(keywords)
    landmarks = [place for place in LANDMARKS if _matches(place, keywords)]
    found = [place for place in landmarks if home is None or place.city is home]
    if home is not None:
        found += everyday_places(home, keywords)
    if not found and not citylimit:
        found = landmarks
    return {"suggestion": {"keywords": [], "ciytes": []}, "pois": [_poi(place) for place in found[:_LIMIT]]}


def around_search(location: str, keywords: str = "", radius: str = "1000") -> dict[str, Any]:
    """`maps_around_search`. What lies within `radius` metres, the nearest first."""
    point = parse_coordinates(location)
    if point is None or not radius.strip().isdigit():
        raise ToolError("Around Search", INVALID)
    city = nearest_city(point)
    near: list[tuple[float, Place]] = []
    for place in _known_places(city, keywords):
        distance = place.location.metres_to(point)
        if distance <= int(radius):
            near.append((distance, place))
    near.sort(key=lambda pair: (pair[0], pair[1].id))
    return {"pois": [_poi(place) for _, place in near[:_LIMIT]]}


def detail(identifier: str) -> dict[str, Any]:
    """`maps_search_detail`. Knows every place that the searches answer."""
    for place in LANDMARKS:
        if place.id == identifier:
            return _detailed(place)
    for city in CITIES:
        for word in EVERYDAY_WORDS:
            for place in everyday_places(city, word):
                if place.id == identifier:
                    return _detailed(place)
    raise ToolError("get poi detail failed: Cannot read properties of undefined (reading 'id')")


def _city_in(text: str) -> City | None:
    """The city that is named first."""
    return next((CITY_INDEX.find(city) for name, city in names(text) if name == city), None)


def nearest_city(point: Coordinates) -> City | None:
    """The city around a point; `None` far from all of them."""
    city = min(CITIES, key=lambda city: city.centre.metres_to(point))
    return city if city.centre.metres_to(point) <= _OUTSIDE else None


def _landmark_in(text: str, home: City | None) -> Place | None:
    found = [place for place in LANDMARKS if _matches(place, text) or _named_in(place, text)]
    if home is not None:
        found = [place for place in found if place.city is home]
    return max(found, key=lambda place: len(place.name), default=None)


def _named_in(place: Place, text: str) -> bool:
    lowered = text.lower()
    rest = lowered.replace(f"{place.name}区", "")  # 西湖区 is a district, not the lake
    return place.name in rest or place.english.lower() in lowered


def _matches(place: Place, keywords: str) -> bool:
    wanted = keywords.strip().lower()
    for name in (place.city.english.lower(), place.city.name, place.city.short_name):
        if wanted != name:
            wanted = wanted.replace(name, "").strip(" ,，")
    return len(wanted) > 1 and (wanted in place.name or wanted in place.english.lower())


def _known_places(city: City | None, keywords: str) -> Sequence[Place]:
    if city is None:
        return ()
    landmarks = [
        place for place in LANDMARKS if place.city is city and (not keywords or _matches(place, keywords))
    ]
    words = (keywords,) if keywords else EVERYDAY_WORDS
    return landmarks + [place for word in words for place in everyday_places(city, word)]


def _centre(city: City, district: District) -> Coordinates:
    i = city.districts.index(district)
    return city.centre.moved(north=(i % 3 - 1) * 6000.0, east=(i // 3 - 1) * 6000.0)


def _nearest_known(city: City, district: District) -> Coordinates:
    """Where a district is: at its first landmark, else at its made-up centre."""
    places = [place.location for place in LANDMARKS if place.city is city and place.district is district]
    return places[0] if places else _centre(city, district)


def _geocoded(
    city: City, district: District | None, location: Coordinates, level: str, street: str
) -> Mapping[str, Any]:
    return {
        "country": "中国",
        "province": city.province,
        "city": city.name,
        "citycode": city.citycode,
        "district": district.name if district else [],
        "street": street or [],
        "number": [],
        "adcode": district.adcode if district else city.adcode,
        "location": str(location),
        "level": level,
    }


def _poi(place: Place) -> dict[str, str]:
    return {"id": place.id, "name": place.name, "address": place.address, "typecode": place.typecode}


def _detailed(place: Place) -> dict[str, Any]:
    return {
        "id": place.id,
        "name": place.name,
        "location": str(place.location),
        "address": place.address,
        "business_area": place.district.name,
        "city": place.city.name,
        "type": place.type,
        "alias": place.english,
    }
