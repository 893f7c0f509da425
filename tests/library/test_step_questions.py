"""`Identity.tool_node` decides once about all calls of a step before any is made, and about each again."""

from collections import Counter
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from graph.call_steps.stops import Stops
from idaas_agent.library.tool_node import tool_node_of
from idaas_agent.library.tools import tools_of
from identity.access_token.revocation_list import RevocationList
from tests.library.called_app import (
    APPROVE,
    Bank,
    CalledApp,
    MemoryIdentity,
    call,
    decisions,
    in_a_graph,
    pay,
    question_of,
    results,
)

pytestmark = pytest.mark.promise("policy-decides")


class Counting(Stops):
    """A policy that changes nothing, and counts its evaluations by the ids of the calls."""

    def __init__(self) -> None:
        super().__init__(RevocationList(), lambda: 0.0)
        self.evaluations: Counter[str] = Counter()

    def decides(self, *_: object) -> bool:
        return True

    async def decide(self, pending: Any, caller: Any, facts: Any, so_far: Any) -> Any:
        self.evaluations[pending.call["id"]] += 1
        return await super().decide(pending, caller, facts, so_far)


IDS = [f"call_{number}" for number in range(20)]


@pytest.fixture
def policy() -> Counting:
    return Counting()


async def app_of(bank: Bank, policy: Counting, saver: InMemorySaver | None) -> CalledApp:
    """An application whose node is `Identity.tool_node`."""
    identity = MemoryIdentity()
    identity.known_calls.stops = policy
    node = tool_node_of(identity, await tools_of(identity, [bank]))
    return CalledApp(identity, in_a_graph(node, saver))


async def test_twenty_calls_of_a_message_are_decided_about_twice_each(policy: Counting) -> None:
    app = await app_of(bank := Bank(), policy, InMemorySaver())
    state = await app.ask(*(call("balance", call_id) for call_id in IDS))
    assert len(bank.calls) == 20
    assert {status for status, _ in results(state).values()} == {"success"}
    assert policy.evaluations == dict.fromkeys(IDS, 2)


async def test_after_an_answer_all_calls_are_decided_about_again(policy: Counting) -> None:
    app = await app_of(bank := Bank(), policy, InMemorySaver())
    state = await app.ask(*(call("balance", call_id) for call_id in IDS[1:]), pay(50, IDS[0]))
    assert len(question_of(state)["action_requests"]) == 1
    assert bank.calls == []
    assert policy.evaluations == dict.fromkeys(IDS, 1)
    await app.run(decisions(APPROVE))
    assert bank.paid == [50]
    by_its_answer = 1
    assert policy.evaluations == dict.fromkeys(IDS, 3) | {IDS[0]: 3 + by_its_answer}


async def test_other_calls_of_the_same_task_are_asked_about_too() -> None:
    identity = MemoryIdentity()
    node = tool_node_of(identity, await tools_of(identity, [bank := Bank()]))

    async def twice(state: dict[str, Any], config: RunnableConfig) -> Any:
        await node.ainvoke({"messages": [AIMessage("", tool_calls=[call("balance", "call_0")])]}, config)
        return await node.ainvoke(state, config)

    app = CalledApp(identity, in_a_graph(twice, InMemorySaver()))
    asked = question_of(await app.ask(pay(10, "call_1"), pay(20, "call_2")))
    assert [action["args"] for action in asked["action_requests"]] == [{"amount": 10}, {"amount": 20}]
    assert bank.paid == []


async def test_without_a_thread_each_call_is_decided_about_and_one_that_asks_is_refused(
    policy: Counting,
) -> None:
    app = await app_of(bank := Bank(), policy, None)
    state = await app.ask(*(call("balance", call_id) for call_id in IDS[1:]), pay(50, IDS[0]))
    assert results(state)[IDS[0]][0] == "error"
    assert bank.paid == []
    assert policy.evaluations == dict.fromkeys(IDS, 2)
