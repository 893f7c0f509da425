"""The calls that a question takes: places before what needs points, two wishes at once, and always an end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.model_studio.planner.planner_session import (
    COLLEAGUE,
    ENTERPRISE,
    LEAVE,
    ORDER,
    ROOM,
    converse,
    first_calls,
)


@pytest.mark.parametrize(
    ("question", "last"),
    [
        ("How far is it from Hangzhou to Shanghai?", "maps_distance"),
        ("杭州到上海多远？", "maps_distance"),
        ("杭州离上海有多远", "maps_distance"),
        ("How do I drive from West Lake to Hangzhou East Railway Station?", "maps_direction_driving"),
        ("从西湖到杭州东站怎么走？", "maps_direction_driving"),
        ("从西湖骑车到灵隐寺要多久", "maps_direction_bicycling"),
        ("walk from West Lake to Lingyin Temple", "maps_direction_walking"),
        ("How do I get from Hangzhou to Beijing by train?", "maps_direction_transit_integrated"),
        ("坐地铁从西湖到杭州东站", "maps_direction_transit_integrated"),
    ],
)
def test_places_become_points_before_a_tool_that_needs_points(question, last):
    rounds, text = converse(question, parallel=True)
    assert rounds == [["maps_geo", "maps_geo"], [last]]
    assert "km" in text


@pytest.mark.parametrize(
    ("question", "last"),
    [
        ("西湖附近有什么好吃的餐厅", "maps_around_search"),
        ("Find hotels within 2 km of West Lake", "maps_around_search"),
        ("Take me to West Lake by taxi", "maps_schema_take_taxi"),
        ("导航到西湖", "maps_schema_navi"),
    ],
)
def test_one_place_becomes_a_point(question, last):
    rounds, text = converse(question)
    assert rounds == [["maps_geo"], [last]]
    assert "Nothing was found" not in text
    assert "没有找到" not in text


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Weather in Hangzhou and call my enterprise service", ["maps_weather", "call_enterprise_service"]),
        ("查一下杭州的天气，并调用我的企业服务", ["maps_weather", "call_enterprise_service"]),
        ("What's the weather in Hangzhou and Beijing?", ["maps_weather", "maps_weather"]),
        ("杭州和北京的天气", ["maps_weather", "maps_weather"]),
        (
            "Call my enterprise service. How many days of leave do I have?",
            ["call_enterprise_service", "leave_balance"],
        ),
        ("调用我的企业服务，我还有多少天年假", ["call_enterprise_service", "leave_balance"]),
        (
            "调用我的企业服务，然后查杭州和北京的天气",
            ["call_enterprise_service", "maps_weather", "maps_weather"],
        ),
    ],
)
def test_two_wishes_are_two_calls_at_once(question, expected):
    assert [name for name, _ in first_calls(question, parallel=True)] == expected


def test_without_parallel_calls_they_come_one_after_the_other():
    answers = {"call_enterprise_service": '{"greeting": "Hello"}'}
    rounds, text = converse(
        "Weather in Hangzhou and call my enterprise service", answers=answers, parallel=False
    )
    assert rounds == [["maps_weather"], ["call_enterprise_service"]]
    assert "Hangzhou" in text
    assert "Hello" in text


def test_place_that_cannot_be_located_ends_the_chain_with_its_reason():
    rounds, text = converse("How far is it from Atlantis to Hangzhou?")
    assert rounds[-1] == ["maps_geo"] or rounds[-1] == ["maps_geo", "maps_geo"]
    assert "ENGINE_RESPONSE_DATA_ERROR" in text


FRAGMENTS = st.sampled_from(
    [
        "weather",
        "Hangzhou",
        "杭州",
        "天气",
        "和",
        "from",
        "to",
        "到",
        "西湖",
        "and",
        "distance",
        "距离",
        ",",
        "？",
        '"',
        "'",
        "120.1,30.2",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=12).map(" ".join)))
def test_the_planner_ends_with_an_answer_for_any_question(question):
    answers = {t.name: '{"greeting": "Hello"}' for t in (ENTERPRISE, LEAVE, ORDER, COLLEAGUE, ROOM)}
    rounds, text = converse(question, answers=answers)
    assert text
    assert len(rounds) <= 4
