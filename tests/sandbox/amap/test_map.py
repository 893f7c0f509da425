"""The map's data and computations, without the protocol."""

import json

import pytest

from sandbox.amap.places import CITIES, LANDMARKS, find_city, parse_point
from sandbox.amap.tools import TOOLS, TOOLS_BY_NAME, ToolError, run

NOON_IN_CHINA = 1_795_492_800.0  # 2026-11-24T04:00:00Z
HANGZHOU, SHANGHAI = "120.210792,30.246026", "121.473667,31.230525"


def answer(tool, now=NOON_IN_CHINA, **arguments):
    return json.loads(run(tool, arguments, now))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("杭州", "杭州市"),
        ("杭州市", "杭州市"),
        ("Hangzhou", "杭州市"),
        ("hangzhou city", "杭州市"),
        ("330100", "杭州市"),
        ("330106", "杭州市"),
        ("Xi'an", "西安市"),
        ("Xi’an", "西安市"),
        ("xian", "西安市"),
        ("Hong Kong", "香港特别行政区"),
        ("HongKong", "香港特别行政区"),
        ("香港", "香港特别行政区"),
        ("110105", "北京市"),
        ("Ürümqi", None),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_city_is_found_by_any_of_its_names(written, name):
    city = find_city(written)
    assert (city.name if city else None) == name


def test_table_is_consistent():
    assert len(CITIES) >= 30
    assert len({city.adcode for city in CITIES}) == len(CITIES)
    assert {place.city.name for place in LANDMARKS} == {city.name for city in CITIES}
    for city in CITIES:
        assert 73 < city.location.longitude < 135
        assert 18 < city.location.latitude < 54
        assert city.january < city.july
    for place in LANDMARKS:
        assert place.adcode[:2] == place.city.adcode[:2]
        assert place.location.metres_to(place.city.location) < 60_000, place.name


def test_weather_has_four_days_from_today_in_china_and_is_the_same_for_every_caller():
    first = answer("maps_weather", city="杭州")
    assert first == answer("maps_weather", city="Hangzhou") == answer("maps_weather", city="330100")
    assert [day["date"] for day in first["forecasts"]] == [f"2026-11-{day}" for day in (24, 25, 26, 27)]
    assert first["forecasts"][0]["week"] == "2"
    for day in first["forecasts"]:
        assert int(day["nighttemp"]) < int(day["daytemp"])
        assert float(day["daytemp_float"]) == int(day["daytemp"])


def test_weather_of_a_day_does_not_depend_on_when_it_is_asked():
    today = answer("maps_weather", city="杭州")["forecasts"]
    tomorrow = answer("maps_weather", city="杭州", now=NOON_IN_CHINA + 86_400)["forecasts"]
    assert today[1:] == tomorrow[:-1]


def test_day_begins_at_midnight_in_china():
    late = 1_795_535_999.0  # 2026-11-24T15:59:59Z is 23:59:59 in China
    assert answer("maps_weather", city="北京", now=late)["forecasts"][0]["date"] == "2026-11-24"
    assert answer("maps_weather", city="北京", now=late + 1)["forecasts"][0]["date"] == "2026-11-25"


def test_air_line_is_the_great_circle():
    results = answer("maps_distance", origins=HANGZHOU, destination=SHANGHAI, type="0")["results"]
    assert int(results[0]["distance"]) == pytest.approx(163_000, rel=0.02)


def test_several_origins_are_measured_in_order():
    results = answer("maps_distance", origins=f"{HANGZHOU}|{SHANGHAI}", destination=SHANGHAI)["results"]
    assert [result["origin_id"] for result in results] == ["1", "2"]
    assert int(results[0]["distance"]) > 0
    assert results[1]["distance"] == "0"


@pytest.mark.parametrize(
    ("tool", "wrapper"),
    [
        ("maps_direction_driving", "route"),
        ("maps_direction_walking", "route"),
        ("maps_direction_bicycling", "data"),
    ],
)
def test_steps_of_a_route_add_up_to_its_distance(tool, wrapper):
    west_lake, station = "120.130396,30.259242", "120.212600,30.290851"
    (path,) = answer(tool, origin=west_lake, destination=station)[wrapper]["paths"]
    assert sum(int(step["distance"]) for step in path["steps"]) == int(path["distance"])
    assert 9_000 < int(path["distance"]) < 13_000


@pytest.mark.parametrize(
    ("address", "city", "adcode", "level"),
    [
        ("西湖", None, "330106", "兴趣点"),
        ("West Lake, Hangzhou", None, "330106", "兴趣点"),
        ("杭州市西湖区", None, "330106", "区县"),
        ("Hangzhou", None, "330100", "市"),
        ("西湖区", "杭州", "330106", "区县"),
        ("浙江省杭州市余杭区文一西路969号", None, "330110", "区县"),
    ],
)
def test_address_becomes_coordinates(address, city, adcode, level):
    (found,) = answer("maps_geo", address=address, **({"city": city} if city else {}))["results"]
    assert (found["adcode"], found["level"]) == (adcode, level)
    assert parse_point(found["location"])


def test_coordinates_become_a_district():
    assert answer("maps_regeocode", location="120.130396,30.259242") == {
        "provice": "浙江省",
        "city": "杭州市",
        "district": "西湖区",
    }


def test_every_search_result_has_a_detail():
    for found in (
        answer("maps_text_search", keywords="coffee", city="Hangzhou"),
        answer("maps_text_search", keywords="西湖"),
        answer("maps_around_search", location="120.130396,30.259242", keywords="酒店", radius="9000"),
    ):
        assert found["pois"]
        for poi in found["pois"]:
            assert answer("maps_search_detail", id=poi["id"])["name"] == poi["name"]


def test_search_without_results_is_empty_and_no_failure():
    assert answer("maps_text_search", keywords="zzzz", city="杭州")["pois"] == []


def test_around_search_keeps_to_the_radius_and_has_the_nearest_first():
    here = parse_point("120.130396,30.259242")
    pois = answer("maps_around_search", location=str(here), keywords="餐厅", radius="8000")["pois"]
    distances = [
        parse_point(answer("maps_search_detail", id=poi["id"])["location"]).metres_to(here) for poi in pois
    ]
    assert distances == sorted(distances)
    assert all(distance <= 8000 for distance in distances)


def test_public_address_belongs_to_a_city():
    found = answer("maps_ip_location", ip="114.114.114.114")
    assert find_city(found["adcode"]).name == found["city"]


def test_links_open_the_app():
    assert run("maps_schema_navi", {"lon": "120.1", "lat": "30.2"}, 0).startswith("amapuri://navi?")
    taxi = run("maps_schema_take_taxi", {"dlon": "120.1", "dlat": "30.2", "dname": "西湖"}, 0)
    assert taxi.startswith("amapuri://drive/takeTaxi?")
    lines = [{"title": "Day 1", "pointInfoList": [{"name": "西湖", "lon": 1, "lat": 2, "poiId": "B0"}]}]
    assert run("maps_schema_personal_map", {"orgName": "Trip", "lineList": lines}, 0).startswith("amapuri://")


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("maps_geo", {"address": "nowhere at all"}, "Geocoding failed: ENGINE_RESPONSE_DATA_ERROR"),
        ("maps_regeocode", {"location": "somewhere"}, "RGeocoding failed: INVALID_PARAMS"),
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
        ("maps_schema_navi", {"lon": "x", "lat": "y"}, "Schema Navi failed: INVALID_PARAMS"),
    ],
)
def test_unknown_input_fails_with_the_services_error_text(tool, arguments, text):
    with pytest.raises(ToolError) as failure:
        run(tool, arguments, NOON_IN_CHINA)
    assert str(failure.value) == text


@pytest.mark.parametrize("text", ["", "120", "200,10", "10,95", "a,b", "1,2,3"])
def test_malformed_points_are_refused(text):
    assert parse_point(text) is None


def test_catalogue_asks_for_no_credential_and_has_both_languages():
    assert len(TOOLS) == len(TOOLS_BY_NAME) == 15
    for tool in TOOLS:
        assert any("\u4e00" <= character <= "\u9fff" for character in tool.description)
        assert any(character.isascii() and character.isalpha() for character in tool.description)
        assert not {"key", "apikey", "api_key", "token"} & set(tool.inputSchema["properties"])
