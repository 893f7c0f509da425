"""The stand-in model's decisions, as tables. It is given the hosted map's tools and those of an employer."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.amap.catalogue import TOOLS
from sandbox.amap.failure import ToolError
from sandbox.amap.map_service import run
from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome, Tool
from sandbox.model_studio.planner.planning import Rules, decide
from sandbox.model_studio.planner.wording import STAND_IN, STAND_IN_CHINESE

TODAY = date(2026, 11, 24)
NOON_IN_CHINA = 1_795_492_800.0


def tool(name, description, required=(), /, **properties):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(name, description, schema)


TEXT = {"type": "string"}
MAP = [Tool(t.name, t.description or "", t.inputSchema) for t in TOOLS]
ENTERPRISE = tool(
    "call_enterprise_service",
    "Calls the enterprise service (企业服务), the company's internal service, and returns its answer.",
    message={"anyOf": [TEXT, {"type": "null"}], "description": "What to tell the service, if anything."},
)
LEAVE = tool("leave_balance", "How many days of leave (休假, 年假) the employee has left.")
ORDER = tool("get_order_status", "Looks up the delivery status of an order.", ["order_id"], order_id=TEXT)
COLLEAGUE = tool("lookup_employee", "Finds the e-mail address of a colleague.", ["name"], name=TEXT)
ROOM = tool(
    "book_meeting_room",
    "Books a room for a meeting.",
    ["date", "people", "floor"],
    date={"type": "string", "description": "ISO 8601 date"},
    people={"type": "integer"},
    floor={"type": "string", "enum": ["ground", "top"], "default": "ground"},
    projector={"type": "boolean"},
)
ALL = [*MAP, ENTERPRISE, LEAVE, ORDER, COLLEAGUE, ROOM]


def first_calls(question, tools=ALL, earlier="", **rules):
    return [
        (c.tool, dict(c.arguments))
        for c in decide(Conversation(question, earlier), tools, TODAY, Rules(**rules)).calls
    ]


def converse(question, tools=ALL, answers=None, **rules):
    """Lets the planner call until it answers; the map is real, other tools answer from `answers`."""
    outcomes, rounds = (), []
    for _ in range(8):
        decision = decide(Conversation(question, "", outcomes), tools, TODAY, Rules(**rules))
        if not decision.calls:
            return rounds, decision.text
        rounds.append([call.tool for call in decision.calls])
        outcomes += tuple(Outcome(call, answer(call, answers or {})) for call in decision.calls)
    pytest.fail("the planner does not come to an end")


def answer(call: Call, answers) -> str:
    if call.tool in answers:
        return answers[call.tool]
    try:
        return run(call.tool, call.arguments, NOON_IN_CHINA)
    except ToolError as error:
        return str(error)


@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("What is the weather in Hangzhou right now?", "maps_weather", {"city": "Hangzhou"}),
        ("杭州现在天气怎么样？", "maps_weather", {"city": "杭州"}),
        ("杭州市今天的天气", "maps_weather", {"city": "杭州"}),
        ("Will it rain in xi'an tomorrow?", "maps_weather", {"city": "Xi'an"}),
        ("Do I need an umbrella at West Lake?", "maps_weather", {"city": "Hangzhou"}),
        ("What is the weather in 杭州?", "maps_weather", {"city": "杭州"}),
        ("weather in Atlantis", "maps_weather", {"city": "Atlantis"}),
        ("亚特兰蒂斯天气怎么样", "maps_weather", {"city": "亚特兰蒂斯"}),
        ("Call my enterprise service", "call_enterprise_service", {}),
        ("Please call the company's service.", "call_enterprise_service", {}),
        ("调用我的企业服务", "call_enterprise_service", {}),
        (
            'Tell the enterprise service "good morning"',
            "call_enterprise_service",
            {"message": "good morning"},
        ),
        ("Call my enterprise service and say hello", "call_enterprise_service", {"message": "hello"}),
        ("对企业服务说“早上好”", "call_enterprise_service", {"message": "早上好"}),
        ("How many days of leave do I have left?", "leave_balance", {}),
        ("我还有多少天年假？", "leave_balance", {}),
        ("Where is my order A-1007?", "get_order_status", {"order_id": "A-1007"}),
        ("我的订单A-1007到哪了？", "get_order_status", {"order_id": "A-1007"}),
        ("What is the email of my colleague Zhang Wei?", "lookup_employee", {"name": "Zhang Wei"}),
        (
            "Book a meeting room on the top floor tomorrow for 6 people",
            "book_meeting_room",
            {"date": "2026-11-25", "people": 6, "floor": "top"},
        ),
        (
            "Book a meeting room for 4 people on 2026-12-01",
            "book_meeting_room",
            {"date": "2026-12-01", "people": 4, "floor": "ground"},
        ),
        ("Where is the IP address 114.114.114.114?", "maps_ip_location", {"ip": "114.114.114.114"}),
        ("西湖的经纬度是多少", "maps_geo", {"address": "西湖", "city": "杭州"}),
        ("What are the coordinates of West Lake?", "maps_geo", {"address": "West Lake", "city": "Hangzhou"}),
        (
            "Which district is 120.130396,30.259242 in?",
            "maps_regeocode",
            {"location": "120.130396,30.259242"},
        ),
        ("120.130396,30.259242在哪个区", "maps_regeocode", {"location": "120.130396,30.259242"}),
        (
            "Find coffee shops in Hangzhou",
            "maps_text_search",
            {"keywords": "coffee shops", "city": "Hangzhou"},
        ),
        ("搜索杭州的咖啡馆", "maps_text_search", {"keywords": "咖啡馆", "city": "杭州"}),
        (
            "How far is it from 120.1,30.2 to 121.4,31.2?",
            "maps_distance",
            {"origins": "120.1,30.2", "destination": "121.4,31.2"},
        ),
    ],
)
def test_question_finds_its_tool_and_fills_the_arguments(question, name, arguments):
    assert first_calls(question) == [(name, arguments)]


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


@pytest.mark.parametrize(
    "question",
    [
        "hello",
        "你好",
        "thanks!",
        "谢谢",
        "What can you do?",
        "你能做什么？",
        "Tell me a joke",
        "What is the capital of France?",
    ],
)
def test_small_talk_calls_nothing(question):
    decision = decide(Conversation(question), ALL, TODAY)
    assert decision.calls == ()
    assert decision.text


@pytest.mark.parametrize("question", ["What can you do?", "你能做什么？"])
def test_asked_for_its_abilities_it_names_exactly_the_offered_tools(question):
    text = decide(Conversation(question), [LEAVE, ORDER], TODAY).text
    assert "leave_balance" in text
    assert "get_order_status" in text
    assert "maps_weather" not in text


@pytest.mark.parametrize("question", ["What is the weather in Hangzhou?", "杭州天气", "What can you do?"])
def test_without_tools_it_calls_and_names_none(question):
    decision = decide(Conversation(question), [], TODAY)
    assert decision.calls == ()
    assert "maps_" not in decision.text


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("What is the weather?", "**city**"),
        ("今天天气怎么样", "**city**"),
        ("Where is my order?", "**order_id**"),
        ("Book a meeting room", "**date**"),
    ],
)
def test_missing_argument_is_asked_for(question, missing):
    decision = decide(Conversation(question), ALL, TODAY)
    assert decision.calls == ()
    assert missing in decision.text


@pytest.mark.parametrize(
    ("question", "earlier", "expected"),
    [
        ("Hangzhou", "What is the weather?", ("maps_weather", {"city": "Hangzhou"})),
        ("And in Beijing?", "What is the weather in Hangzhou?", ("maps_weather", {"city": "Beijing"})),
        ("那北京呢？", "杭州天气怎么样", ("maps_weather", {"city": "北京"})),
        ("A-1007", "Where is my order?", ("get_order_status", {"order_id": "A-1007"})),
        (
            "Will it rain tomorrow?",
            "What is the weather in Hangzhou?",
            ("maps_weather", {"city": "Hangzhou"}),
        ),
    ],
)
def test_question_may_lean_on_the_one_before(question, earlier, expected):
    assert first_calls(question, earlier=earlier) == [expected]


def test_thanks_do_not_repeat_the_call_before():
    assert first_calls("Thanks!", earlier="What is the weather in Hangzhou?") == []


@pytest.mark.parametrize(
    ("question", "text", "signature"),
    [
        ("What is the weather in Hangzhou?", "| Date |", STAND_IN),
        ("杭州天气", "| 日期 |", STAND_IN_CHINESE),
    ],
)
def test_answer_is_in_the_language_of_the_question_and_signed_by_the_stand_in(question, text, signature):
    _, said = converse(question)
    assert text in said
    assert said.endswith(signature)


def test_answer_about_tomorrow_begins_with_tomorrow():
    _, said = converse("Will it rain in Hangzhou tomorrow?")
    assert "2026-11-25" in said.splitlines()[0]


@pytest.mark.parametrize(
    "result",
    [
        "Error: Cannot read properties of undefined (reading 'city')",
        "Get weather failed: DAILY_QUERY_OVER_LIMIT",
        "external_service_failed: External service call failed (no answer). Likely cause: x. Remedy: y.",
        '{"error": "DAILY_QUERY_OVER_LIMIT", "message": "too much"}',
        '{"ok": false, "message": "no"}',
    ],
)
@pytest.mark.parametrize(("question", "said"), [("Weather in Hangzhou", "failed"), ("杭州天气", "失败")])
def test_failure_of_a_tool_is_said_plainly_and_not_tried_again(result, question, said):
    rounds, text = converse(question, answers={"maps_weather": result})
    assert rounds == [["maps_weather"]]
    assert said in text


def test_place_that_cannot_be_located_ends_the_chain_with_its_reason():
    rounds, text = converse("How far is it from Atlantis to Hangzhou?")
    assert rounds[-1] == ["maps_geo"] or rounds[-1] == ["maps_geo", "maps_geo"]
    assert "ENGINE_RESPONSE_DATA_ERROR" in text


def test_one_failure_does_not_hide_the_other_answer():
    answers = {
        "maps_weather": "Get weather failed: X",
        "call_enterprise_service": '{"greeting": "Hello, alice"}',
    }
    _, text = converse("Weather in Hangzhou and call my enterprise service", answers=answers, parallel=True)
    assert "failed" in text
    assert "Hello, alice" in text


def test_any_json_is_put_into_words_with_what_was_asked_first():
    result = json.dumps(
        {
            "employee": "alice",
            "days_left": 12,
            "next_leave": {"from": "2026-12-21"},
            "all": [{"a": 1, "b": None}, {"a": 2}],
            "actor": None,
        }
    )
    _, text = converse("How many days of leave do I have left?", answers={"leave_balance": result})
    lines = text.splitlines()
    assert "- days left: 12" in lines
    assert "null" not in text
    assert lines.index("- days left: 12") < lines.index("- employee: alice")
    assert "  - from: 2026-12-21" in lines
    assert "  - a: 1" in lines


@pytest.mark.parametrize("result", ["", "plain words", "[]", "12", "null", '["a", "b"]', '[{"a": 1}]'])
def test_result_of_any_shape_has_an_answer(result):
    _, text = converse("Call my enterprise service", answers={"call_enterprise_service": result})
    assert text


def test_forced_tool_is_called_whatever_the_question():
    assert first_calls("hello", forced="leave_balance") == [("leave_balance", {})]


def test_when_a_call_is_required_the_nearest_tool_is_called():
    assert first_calls("hello", tools=[LEAVE], must_call=True) == [("leave_balance", {})]


def test_thinking_names_the_tool_that_fits():
    assert "`maps_weather`" in decide(Conversation("Weather in Hangzhou"), ALL, TODAY).thinking


def test_planner_knows_no_tool_by_name():
    renamed = [Tool(f"zz_{i}", t.description, t.parameters) for i, t in enumerate(ALL)]
    calls = first_calls("What is the weather in Hangzhou right now?", tools=renamed)
    assert calls == [(f"zz_{[t.name for t in ALL].index('maps_weather')}", {"city": "Hangzhou"})]


@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"properties": None}, {"properties": {"a": 1}, "required": "a"}]
)
def test_strange_schema_is_no_obstacle(schema):
    assert first_calls("Call my enterprise service", tools=[Tool("enterprise", "", schema)]) == [
        ("enterprise", {})
    ]


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
def test_whatever_is_asked_the_planner_comes_to_an_answer(question):
    answers = {t.name: '{"greeting": "Hello"}' for t in (ENTERPRISE, LEAVE, ORDER, COLLEAGUE, ROOM)}
    rounds, text = converse(question, answers=answers)
    assert text
    assert len(rounds) <= 4
