"""`Identity.govern`: tools and functions of the application."""

import asyncio
from contextvars import ContextVar
from typing import Annotated

from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import InjectedState, ToolNode, ToolRuntime
from langgraph.types import Command, interrupt

from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.governed_tool import GovernedTool
from identity.audit.event import AuditEvent
from identity.secrets.secret import Secret
from tests.library.called_app import (
    APPROVE,
    CalledApp,
    MemoryIdentity,
    call,
    decisions,
    in_a_graph,
    question_of,
    results,
)
from tools.approval_policy import ApprovalMode, ArgumentRule, Effect, ToolPolicy

USER: ContextVar[str] = ContextVar("user")


class ActingIdentity(MemoryIdentity):
    """Its callers are those for whom code without a graph acts: `USER`."""

    async def required_caller(self):
        return await self.tokens.verify(Secret(f"{USER.get()}-at"))


def app_of(*given, policy: ToolPolicy | None = None) -> CalledApp:
    identity = MemoryIdentity()
    node = ToolNode([governed_tool(identity, each, policy) for each in given])
    return CalledApp(identity, in_a_graph(node, InMemorySaver()))


async def test_function_is_a_tool_whose_write_asks_its_caller():
    sent: list[str] = []

    async def send(to: str) -> str:
        """Sends a mail."""
        sent.append(to)
        return "sent"

    app = app_of(send, policy=ToolPolicy(Effect.EXTERNAL))
    asked = question_of(await app.ask(call("send", "call_1", to="ann")))
    assert asked["approvals"][0]["service"] == "app"
    assert sent == []
    assert results(await app.run(decisions(APPROVE)))["call_1"] == ("success", "sent")
    assert sent == ["ann"]


async def test_rule_that_asks_is_kept_by_a_write_that_always_asks():
    policy = ToolPolicy(Effect.WRITE, rules=(ArgumentRule("to", "==", "eve", ApprovalMode.DENY),))

    def send(to: str) -> str:
        """Sends a mail."""
        return "sent"

    app = app_of(send, policy=policy)
    assert results(await app.ask(call("send", "call_1", to="eve")))["call_1"][0] == "error"


async def test_what_langgraph_injects_arrives_and_is_no_argument():
    seen = {}

    @tool
    async def looks(
        word: str,
        messages: Annotated[list, InjectedState("messages")],
        call_id: Annotated[str, InjectedToolCallId],
        runtime: ToolRuntime,
    ) -> str:
        """Looks."""
        seen.update(messages=len(messages), call_id=call_id, of_runtime=runtime.tool_call_id)
        return word

    app = app_of(looks, policy=ToolPolicy(Effect.READ))
    assert results(await app.ask(call("looks", "call_1", word="x")))["call_1"] == ("success", "x")
    assert seen == {"messages": 2, "call_id": "call_1", "of_runtime": "call_1"}
    [started, *_] = app.identity.records.events
    assert started.tool == "looks"


async def test_model_sees_the_arguments_of_the_tool_alone():
    @tool
    def looks(word: str, messages: Annotated[list, InjectedState("messages")]) -> str:
        """Looks."""
        return word

    governed = governed_tool(MemoryIdentity(), looks)
    assert list(governed.tool_call_schema.model_fields) == ["word"]
    assert governed.description == "Looks."


async def test_governed_tool_is_not_governed_twice():
    identity = MemoryIdentity()

    def looks() -> str:
        """Looks."""
        return "x"

    once = governed_tool(identity, looks)
    assert isinstance(once, GovernedTool)
    assert governed_tool(identity, once) is once


async def test_tool_that_asks_its_user_itself_goes_on_and_is_asked_about_once():
    def trip(to: str) -> str:
        """Books."""
        return f"{to} on {interrupt('which day?')}"

    app = app_of(trip, policy=ToolPolicy(Effect.WRITE))
    await app.ask(call("trip", "call_1", to="Rome"))
    state = await app.run(decisions(APPROVE))
    (inner,) = state["__interrupt__"]
    assert inner.value == "which day?"
    state = await app.run(Command(resume="Monday"))
    assert results(state)["call_1"] == ("success", "Rome on Monday")


async def test_arguments_that_do_not_fit_are_a_result_without_their_values():
    def pays(amount: int) -> str:
        """Pays."""
        return "paid"

    app = app_of(pays, policy=ToolPolicy(Effect.READ))
    status, text = results(await app.ask(call("pays", "call_1", amount="canary")))["call_1"]
    assert status == "error"
    assert "amount" in text
    assert "canary" not in text


async def test_exception_of_a_tool_is_a_result_without_its_text():
    def breaks() -> str:
        """Breaks."""
        raise RuntimeError("canary")

    app = app_of(breaks, policy=ToolPolicy(Effect.READ))
    status, text = results(await app.ask(call("breaks", "call_1")))["call_1"]
    assert (status, "canary" in text) == ("error", False)


async def test_access_token_in_a_result_is_redacted():
    def leaks() -> str:
        """Leaks."""
        return "the token is alice-at"

    app = app_of(leaks, policy=ToolPolicy(Effect.READ))
    assert "alice-at" not in results(await app.ask(call("leaks", "call_1")))["call_1"][1]


async def test_calls_of_two_users_with_one_id_have_their_own_results():
    identity = ActingIdentity()
    both_were_made = asyncio.Barrier(2)

    async def record(event: AuditEvent) -> None:
        if event.outcome.value == "succeeded":
            await both_were_made.wait()

    identity.records.record = record

    async def balance() -> str:
        """The balance."""
        return f"the balance of {USER.get()}"

    governed = governed_tool(identity, balance, ToolPolicy(Effect.READ))

    async def asked_by(user: str) -> str:
        USER.set(user)
        return (await governed.ainvoke(call("balance", "call_1"))).content

    texts = await asyncio.gather(*(asyncio.create_task(asked_by(user)) for user in ("alice", "bob")))
    assert texts == ["the balance of alice", "the balance of bob"]


async def test_call_that_fails_has_no_result_of_an_earlier_one():
    identity = ActingIdentity()

    async def balance() -> str:
        """The balance."""
        if USER.get() == "bob":
            raise RuntimeError
        return "the balance of alice"

    governed = governed_tool(identity, balance, ToolPolicy(Effect.READ))
    results_of = []
    for user in ("alice", "bob"):
        USER.set(user)
        results_of.append(await governed.ainvoke(call("balance", "call_1")))
    assert [(result.status, "alice" in result.content) for result in results_of] == [
        ("success", True),
        ("error", False),
    ]
