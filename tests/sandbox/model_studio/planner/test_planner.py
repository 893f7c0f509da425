"""Which tool the stand-in model chooses for a question, with which arguments, and when it calls none."""

import pytest

from sandbox.model_studio.planner.conversation import Conversation, Tool
from sandbox.model_studio.planner.planning import decide
from tests.sandbox.model_studio.planner.planner_session import ALL, LEAVE, ORDER, TODAY, first_calls


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
def test_small_talk_calls_no_tool(question):
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


def test_forced_tool_is_called_for_any_question():
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
