"""The map's data and its failures, without the protocol. Its answers stand in the golden conversations."""

import json

import pytest

from sandbox.amap.places import CITIES, LANDMARKS, find_city
from sandbox.amap.tools import ToolError, run

NOON_IN_CHINA = 1_795_492_800.0  # 2026-11-24T04:00:00Z
HANGZHOU, SHANGHAI = "120.210792,30.246026", "121.473667,31.230525"


def answer(tool, now=NOON_IN_CHINA, **arguments):
    return json.loads(run(tool, arguments, now))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("杭州", "杭州市"),
        ("hangzhou city", "杭州市"),
        ("330106", "杭州市"),
        ("Xi’an", "西安市"),
        ("HongKong", "香港特别行政区"),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_city_is_found_by_any_of_its_names(written, name):
    city = find_city(written)
    assert (city.name if city else None) == name


def test_table_is_consistent():
    assert len({city.adcode for city in CITIES}) == len(CITIES) >= 30
    assert {place.city.name for place in LANDMARKS} == {city.name for city in CITIES}
    for place in LANDMARKS:
        assert place.adcode[:2] == place.city.adcode[:2]
        assert place.location.metres_to(place.city.location) < 60_000, place.name


def test_weather_of_a_day_is_the_same_for_every_caller_and_at_any_time():
    today = answer("maps_weather", city="杭州")["forecasts"]
    tomorrow = answer("maps_weather", city="Hangzhou", now=NOON_IN_CHINA + 86_400)["forecasts"]
    assert [day["date"] for day in today] == [f"2026-11-{day}" for day in (24, 25, 26, 27)]
    assert today[1:] == tomorrow[:-1]


def test_place_is_found_by_coordinates_address_and_id():
    lake = {"location": "120.130396,30.259242", "keywords": "酒店", "radius": "9000"}
    assert answer("maps_regeocode", location=lake["location"])["district"] == "西湖区"
    located = answer("maps_ip_location", ip="114.114.114.114")
    assert find_city(located["adcode"]).name == located["city"]
    (poi, *_) = answer("maps_around_search", **lake)["pois"]
    assert answer("maps_search_detail", id=poi["id"])["name"] == poi["name"]


def test_links_open_the_app():
    taxi = run("maps_schema_take_taxi", {"dlon": "120.1", "dlat": "30.2", "dname": "西湖"}, 0)
    assert taxi.startswith("amapuri://drive/takeTaxi?")
    lines = [{"title": "Day 1", "pointInfoList": [{"name": "西湖", "lon": 1, "lat": 2, "poiId": "B0"}]}]
    assert run("maps_schema_personal_map", {"orgName": "Trip", "lineList": lines}, 0).startswith("amapuri://")


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("maps_geo", {"address": "nowhere at all"}, "Geocoding failed: ENGINE_RESPONSE_DATA_ERROR"),
        ("maps_regeocode", {"location": "200,10"}, "RGeocoding failed: INVALID_PARAMS"),
        ("maps_regeocode", {"location": "2.35,48.85"}, "RGeocoding failed: ENGINE_RESPONSE_DATA_ERROR"),
        ("maps_ip_location", {"ip": "999.1.1.1"}, "IP Location failed: INVALID_PARAMS"),
        ("maps_ip_location", {"ip": "127.0.0.1"}, "IP Location failed: ENGINE_RESPONSE_DATA_ERROR"),
        (
            "maps_direction_walking",
            {"origin": HANGZHOU, "destination": SHANGHAI},
            "Direction Walking failed: OVER_DIRECTION_RANGE",
        ),
        (
            "maps_direction_driving",
            {"origin": "a", "destination": "b"},
            "Direction Driving failed: INVALID_PARAMS",
        ),
        (
            "maps_distance",
            {"origins": HANGZHOU, "destination": SHANGHAI, "type": "9"},
            "Direction Distance failed: INVALID_PARAMS",
        ),
        ("maps_weather", {}, "maps_weather failed: MISSING_REQUIRED_PARAMS"),
        ("maps_teleport", {}, "Unknown tool: maps_teleport"),
        ("maps_schema_navi", {"lon": "x", "lat": "y"}, "Schema Navi failed: INVALID_PARAMS"),
    ],
)
def test_unknown_input_fails_with_the_services_error_text(tool, arguments, text):
    with pytest.raises(ToolError) as failure:
        run(tool, arguments, NOON_IN_CHINA)
    assert str(failure.value) == text
