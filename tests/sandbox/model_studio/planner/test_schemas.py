"""Schemas of tools: unusual ones, and any that a client may send."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.model_studio.planner.conversation import Conversation, Rules, Tool
from sandbox.model_studio.planner.planning import decide
from tests.sandbox.model_studio.planner.own_tools import TEXT
from tests.sandbox.model_studio.planner.planner_session import TODAY, converse, first_calls, tool

KEYWORDS = ["type", "enum", "anyOf", "items", "$ref", "description", "default", "required"]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(["string", "integer", "array", "null", "x"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=12,
)
POINT = {"type": "string", "description": "coordinates, lng,lat"}


@settings(max_examples=60, deadline=None)
@given(JSON, JSON, JSON, st.booleans())
def test_any_schema_leads_to_a_decision(city, other, required, must_call):
    properties = {"city": city, "order_id": other, "lat": city, "days": other}
    schema = {"type": "object", "properties": properties, "required": required, "$defs": {"x": other}}
    tools = [Tool("get_weather", "The weather of a city.", schema)]
    question = Conversation("Weather in Hangzhou tomorrow", ("weather?",))
    decision = decide(question, tools, TODAY, Rules(must_call=must_call))
    assert decision.calls or decision.text


def test_type_may_be_a_list_with_null():
    stay = tool("book_stay", "Books a stay.", ["nights"], nights={"type": ["integer", "null"]})
    assert first_calls("Book a stay for 3 nights", tools=[stay]) == [("book_stay", {"nights": 3})]


def test_place_that_no_tool_locates_is_asked_for():
    tide = tool("tide", "The tide at a harbour.", ["point"], point=POINT, unit=TEXT)
    rounds, text = converse("Tide at the harbour of Qingdao", tools=[tide])
    assert rounds == []
    assert "**point**" in text


def test_default_stands_for_a_place_that_no_tool_locates():
    tide = tool("tide", "The tide at a harbour.", ["point"], point=POINT | {"default": "120.3,36.0"})
    assert first_calls("Tide at the harbour of Qingdao", tools=[tide]) == [("tide", {"point": "120.3,36.0"})]
