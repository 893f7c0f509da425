"""What the person should know beside the answer: who hears it, when, and within which bounds."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.runtime import Runtime, get_runtime

from graph.error_codes import GraphCode
from graph.models.provider import ChatModelProvider
from graph.nodes.operator_code import NodeContext
from graph.notices import MAX_NOTICES, MAX_TEXT, is_heard, notices_to, tell
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.bench import bench
from tests.graph.nodes.test_custom_nodes import State, with_node
from tests.graph.scripted_model import DONE, ScriptedModel

NOTICE = {"type": "notice", "code": "canteen", "text": "The canteen closes at 2", "values": {"hour": 2}}


def told(_: Any = None) -> AIMessage:
    tell("canteen", "The canteen closes at 2", hour=2)
    return DONE


class TellingBudget:
    """Tells something of each response, when it is counted; `heard` says whether anybody was there."""

    def __init__(self) -> None:
        self.heard: list[bool] = []

    async def reserve(self, caller: VerifiedAccessToken, model: str, tokens: int) -> "TellingBudget":  # noqa: ARG002 - the seam's
        return self

    async def settle(self, used: UsageMetadata) -> None:  # noqa: ARG002 - the seam's
        self.heard.append(is_heard())
        told()


def notices_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == "notice"]


def heard_by(write: Any, *secrets: Secret) -> Any:
    return notices_to(write, lambda: secrets)


async def test_notice_of_a_budget_is_an_event_after_the_response() -> None:
    budget = TellingBudget()
    events = await bench([AIMessage("Sunny today")], budgets=[budget]).events()
    assert notices_of(events) == [NOTICE]
    assert [event["type"] for event in events] == ["content", "content", "notice"]
    assert budget.heard == [True]


async def test_of_a_response_that_fails_nothing_is_told_and_the_budget_knows_it() -> None:
    budget = TellingBudget()
    failure = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 400")
    of = bench([failure], budgets=[budget])
    with pytest.raises(ServiceError):
        await of.events()
    assert budget.heard == [False]


async def test_notice_of_what_an_own_node_asks_is_an_event_too() -> None:
    async def ask_model(_: State) -> dict[str, Any]:
        runtime: Runtime[NodeContext] = get_runtime(NodeContext)
        await runtime.context.ask([HumanMessage("Is it about travel?")])
        return {}

    model = ScriptedModel(turns=[told, DONE])
    b = bench(ChatModelProvider(model), build=with_node(ask_model))
    assert notices_of(await b.events()) == [NOTICE]


async def test_notice_is_in_no_message_that_a_model_or_a_conversation_reads() -> None:
    b = bench([told, DONE])
    assert "canteen" not in str(await b.ask())
    assert notices_of(await bench([told]).events())


@pytest.mark.promise("no-secret-leaves")
async def test_access_token_in_a_notice_is_redacted_also_where_the_text_is_cut() -> None:
    def leak(_: Any) -> AIMessage:
        tell("leak", "." * (MAX_TEXT - 4) + "alice-at", where="by alice-at")
        return DONE

    [notice] = notices_of(await bench([leak]).events())
    assert "alic" not in str(notice)
    assert notice["values"] == {"where": "by **redacted**"}


def test_block_around_hears_what_is_told_in_another_one() -> None:
    outer: list[Any] = []
    inner: list[Any] = []
    with heard_by(outer.append):
        with heard_by(inner.append):
            told()
        assert outer == []
    assert (outer, inner) == ([NOTICE], [])


def test_block_that_fails_tells_nothing_and_without_a_block_nobody_hears() -> None:
    events: list[Any] = []

    def fail() -> None:
        with heard_by(events.append):
            told()
            raise ValueError("it fails")

    with pytest.raises(ValueError, match="it fails"):
        fail()
    told()
    assert not is_heard()
    with heard_by(None):
        assert not is_heard()
    assert events == []


def test_text_values_and_number_of_notices_are_bounded() -> None:
    events: list[Any] = []
    with heard_by(events.append):
        for _ in range(MAX_NOTICES + 1):
            tell("long", "x" * (MAX_TEXT + 1), also="y" * (MAX_TEXT + 1))
    assert len(events) == MAX_NOTICES
    assert len(events[0]["text"]) <= MAX_TEXT + 1  # with the sign of the cut
    assert len(events[0]["values"]["also"]) <= MAX_TEXT + 1


@pytest.mark.parametrize("code", ["", "Near", "a-b", "a\n", "é", "a" * 65])
def test_code_of_another_form_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="the code of a notice"):
        tell(code, "text")


def test_notice_with_too_many_values_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 16 values"):
        tell("many", "text", **{f"v{number}": number for number in range(17)})
