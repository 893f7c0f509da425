"""An agent within a governed tool acts for the caller of the run, or for nobody."""

import asyncio
from contextvars import Context as Variables
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.middleware import IdentityMiddleware
from idaas_agent.library.tools import tools_of
from tests.library.called_app import (
    APPROVE,
    Bank,
    CalledApp,
    Context,
    MemoryIdentity,
    ScriptedChat,
    call,
    decisions,
    pay,
    question_of,
    results,
)
from tools.approval_policy import READS

GIVEN = {"messages": [("user", "Pay.")]}
DELEGATES = AIMessage("", tool_calls=[call("delegate", "call_1", task="Pay.")])


async def app_of(bank: Bank, drops_context: bool = False) -> CalledApp:
    """An agent whose one tool is an agent, which pays; both models give the id `call_1`."""
    identity = MemoryIdentity()
    decides = IdentityMiddleware(identity, {}, shared_threads=False)
    pays = ScriptedChat(turns=[AIMessage("", tool_calls=[pay(10, "call_1")]), AIMessage("Paid.")])
    inner = create_agent(pays, await tools_of(identity, [bank]), context_schema=Context)

    async def delegate(task: str) -> str:
        """Has another agent do it."""
        given: Any = {"messages": [("user", task)]}
        done = inner.ainvoke(given)
        state = await (asyncio.create_task(done, context=Variables()) if drops_context else done)
        return str(state["messages"][-1].text)

    agent = create_agent(
        ScriptedChat(turns=[DELEGATES, AIMessage("Done.")]),
        [governed_tool(identity, delegate, READS)],
        middleware=[decides],
        context_schema=Context,
        checkpointer=InMemorySaver(),
    )
    return CalledApp(identity, agent)


@pytest.mark.promise("approval-binds")
async def test_call_of_the_inner_agent_asks_the_user_of_the_run_and_is_made_once():
    app = await app_of(bank := Bank())
    question = question_of(await app.run(GIVEN))
    assert question["approvals"][0]["principal"]["sub"] == "alice"
    assert bank.paid == []
    state = await app.run(decisions(APPROVE))
    assert (bank.paid, state["messages"][-1].text) == ([10], "Done.")
    assert {owner for _, owner in app.identity.vault.obtained} == {"alice"}


@pytest.mark.promise("verified-caller")
async def test_inner_agent_without_the_context_calls_nothing():
    app = await app_of(bank := Bank(), drops_context=True)
    status, text = results(await app.run(GIVEN))["call_1"]
    assert (status, text.partition(":")[0]) == ("error", "access_token_missing")
    assert (bank.calls, app.identity.vault.obtained) == ([], [])
