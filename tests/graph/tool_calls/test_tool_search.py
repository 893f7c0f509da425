"""Above a number of tools, the model searches them, and what it has found is bound."""

import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from graph.context import AgentContext
from graph.limits import Limits
from graph.tool_calls.tool_search import FIND_TOOLS, ranked
from identity.audit.trail import AuditTrail
from identity.error_codes import IdentityCode
from identity.errors import CredentialError
from identity.secrets.secret import Secret
from tests.audit_records import AuditRecords
from tests.graph.bench import bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.service import ToolSchema

LIMITS = Limits(listed_tools=2)


def names(query: str, **described: str) -> list[str]:
    return [each.name for each in ranked(query, [ToolSchema(*each, {}) for each in described.items()])]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("weather", ["getWeather", "plan_trip"]),
        ("WEATHERS in a city", ["getWeather", "plan_trip"]),
        ("file an expense", ["expense_create"]),
        ("天气", ["查天气"]),
        ("查地图", ["地图", "查天气"]),
        ("nothing at all", []),
        ("", []),
    ],
)
def test_tools_are_ranked_by_rare_words_and_those_of_the_name(query: str, found: list[str]) -> None:
    tools = {
        "plan_trip": "Plans a trip with the weather of each day.",
        "expense_create": "Files the expenses of a trip.",
        "getWeather": "Returns the weather of one place.",
        "查天气": "今天和明天的天气预报",
        "地图": "显示地图",
    }
    assert names(query, **tools) == found


@pytest.fixture
def many():
    """A service with three tools, and another with one."""
    return EchoService("amap", weather="sunny", route="left", geocode="1,2"), EchoService(
        "enterprise", greet="hi"
    )


def found(message: ToolMessage) -> list[str]:
    return [each["name"] for each in json.loads(message.text)["tools"]]


async def test_model_searches_many_tools_and_calls_what_it_has_found(many: Any) -> None:
    turns = [calls((FIND_TOOLS, {"query": "weather"})), calls(("weather", {"city": "x"})), DONE]
    records = AuditRecords()
    b = bench(turns, *many, limits=LIMITS, audit=AuditTrail(records))
    _, searched, _, called, final = await b.ask()
    assert b.model.tools == [[FIND_TOOLS], [FIND_TOOLS, "weather"], [FIND_TOOLS, "weather"]]
    assert (searched.status, found(searched)) == ("success", ["weather"])
    assert searched.artifact["service"] is None
    assert (called.text, final.text) == ("sunny", "done")
    recorded = [(each.tool, each.service, each.outcome) for each in records.events if each.tool == FIND_TOOLS]
    assert [each[:2] for each in recorded] == [(FIND_TOOLS, None)] * 2


async def test_as_many_tools_as_the_operator_allows_are_all_listed(many: Any) -> None:
    b = bench([DONE], *many, limits=Limits(listed_tools=4))
    await b.ask()
    assert b.model.tools == [["weather", "route", "geocode", "greet"]]


async def test_tool_that_was_not_found_is_called_as_ever(many: Any) -> None:
    b = bench([calls(("greet", {})), DONE], *many, limits=LIMITS)
    _, called, _ = await b.ask()
    assert (called.status, called.text) == ("success", "hi")


async def test_conversation_keeps_what_it_has_found_up_to_the_number(many: Any) -> None:
    queries = [calls((FIND_TOOLS, {"query": word})) for word in ("weather", "route", "greet")]
    b = bench([*queries, DONE, DONE], *many, limits=LIMITS, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    await b.ask(config=thread)
    await b.graph.ainvoke(
        {"messages": [HumanMessage("more")]}, thread, context=AgentContext(Secret("alice-at"))
    )
    assert b.model.tools[-1] == [FIND_TOOLS, "route", "greet"]


async def test_search_without_a_text_or_without_a_match_says_so(many: Any) -> None:
    b = bench(
        [calls((FIND_TOOLS, {"query": 1}), (FIND_TOOLS, {"query": "zebra"})), DONE], *many, limits=LIMITS
    )
    _, faulty, empty, _ = await b.ask()
    assert (faulty.status, empty.status) == ("error", "success")
    assert found(empty) == []


@pytest.mark.promise("model-cannot-steer")
async def test_tool_whose_every_call_is_denied_is_not_found_and_its_call_says_why(many: Any) -> None:
    many[0].policies = {"weather": ToolPolicy(Effect.READ, ApprovalMode.DENY)}
    turns = [calls((FIND_TOOLS, {"query": "weather tool"})), calls(("weather", {})), DONE]
    b = bench(turns, *many, limits=LIMITS)
    _, searched, _, called, _ = await b.ask()
    assert "weather" not in found(searched)
    assert (called.status, "denies" in called.text) == ("error", True)
    assert many[0].calls == []


async def test_call_of_a_tool_that_the_user_may_not_use_says_why() -> None:
    refused = CredentialError(IdentityCode.SERVICE_KEY_UNAVAILABLE, "not granted")
    amap, partial = EchoService("amap", weather="sunny"), EchoService("hr", salary="1", holidays="2")
    amap.listing, partial.schemas = refused, partial.schemas[1:]
    b = bench([calls(("weather", {}), ("salary", {}), ("nothing", {})), DONE], amap, partial)
    _, weather, salary, nothing, _ = await b.ask()
    assert "service_key_unavailable" in weather.text
    assert 'the service "hr" does not offer the tool "salary" to this user' in salary.text
    assert nothing.text == 'there is no tool "nothing"'


async def test_tool_of_a_service_with_the_name_of_the_search_does_not_replace_it() -> None:
    service = EchoService("amap", find_tools="taken", weather="sunny", route="left")
    b = bench([calls((FIND_TOOLS, {"query": "tool find"})), DONE], service, limits=LIMITS)
    _, searched, _ = await b.ask()
    assert FIND_TOOLS not in found(searched)
    assert (service.calls, b.model.tools[0]) == ([], [FIND_TOOLS])
