"""Calls of a run that is executed again after its process has gone."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agent.errors.error_codes import AgentCode
from graph.context import AgentContext
from identity.errors import UnavailableError
from identity.secrets.secret import Secret
from tests.graph.conftest import BenchOf, CallTools
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

THREAD: Any = {"configurable": {"thread_id": "1"}}


class Record:
    """A record in memory."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self.available = True
        self.reached = asyncio.Event()

    async def begin(self, call: str) -> bool:
        if not self.available:
            raise UnavailableError(AgentCode.REDIS_UNAVAILABLE, "Redis failed")
        known = call in self.calls
        self.calls.add(call)
        return not known


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def start(bench: BenchOf, record: Record, call_tools: CallTools) -> Any:
    """A graph with one service, whose tool has `effect`; its process ends in the first call."""

    def make(effect: Effect) -> tuple[Any, EchoService]:
        async def answer() -> str:
            if len(enterprise.calls) == 1:
                record.reached.set()
                await asyncio.Event().wait()  # the process ends in this call
            return "done"

        enterprise = EchoService("enterprise", pay=answer)
        enterprise.policies["pay"] = ToolPolicy(effect, ApprovalMode.ALLOW)
        saver = InMemorySaver()
        turns = [call_tools(("pay", {})), DONE]
        return bench(turns, enterprise, checkpointer=saver, begun_calls=record), enterprise

    return make


async def execute(graph: Any, given: Any) -> Any:
    return await graph.ainvoke(given, THREAD, context=AgentContext(Secret("alice-at")), durability="sync")


async def executed_again(graph: Any, record: Record) -> list[ToolMessage]:
    """The results of tools, after the process has ended in the middle and the run was continued."""
    task = asyncio.create_task(execute(graph, {"messages": [("user", "pay")]}))
    await record.reached.wait()
    task.cancel()
    await asyncio.wait([task])
    messages = (await execute(graph, None))["messages"]
    return [message for message in messages if isinstance(message, ToolMessage)]


async def test_call_that_changes_something_is_begun_once(start: Any, record: Record) -> None:
    b, enterprise = start(Effect.WRITE)
    [result] = await executed_again(b.graph, record)
    assert "may already have taken effect" in result.text
    assert len(enterprise.calls) == 1


async def test_call_that_only_reads_is_made_again(start: Any, record: Record) -> None:
    b, enterprise = start(Effect.READ)
    [result] = await executed_again(b.graph, record)
    assert result.text == "done"
    assert len(enterprise.calls) == 2
    assert record.calls == set()


async def test_call_is_not_made_while_the_record_is_unavailable(start: Any, record: Record) -> None:
    b, enterprise = start(Effect.EXTERNAL)
    record.available = False
    with pytest.raises(UnavailableError):
        await execute(b.graph, {"messages": [("user", "pay")]})
    assert enterprise.calls == []
