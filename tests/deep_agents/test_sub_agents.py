"""Sub-agents of deep agents act for the caller of the run, or for nobody."""

import asyncio
import contextvars
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda

from identity.errors import AccessTokenError
from tests.deep_agents.called_deep_agent import PAYS, TASK, deep_app, says
from tests.library.called_app import APPROVE, REJECT, Bank, Context, call, decisions, question_of
from tests.library.test_secrecy import CREDENTIAL, TOKEN, kept_by

GIVEN = {"messages": [("user", "Pay.")]}
READS = [says(TASK), says(call("balance", "call_1")), says(), says()]


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("with_middleware", [True, False])
async def test_call_of_a_sub_agent_asks_the_user_of_the_run_and_is_made_once(with_middleware: bool) -> None:
    app = await deep_app(bank := Bank(), with_middleware=with_middleware)
    question = question_of(await app.run(GIVEN))
    assert [action["name"] for action in question["action_requests"]] == ["pay"]
    assert question["approvals"][0]["principal"]["sub"] == "alice"
    assert bank.paid == []
    state = await app.run(decisions(APPROVE))
    assert (bank.paid, state["messages"][-1].text) == ([10], "done")
    assert {owner for _, owner in app.identity.vault.obtained} == {"alice"}


@pytest.mark.promise("approval-binds")
async def test_declined_call_of_a_sub_agent_is_not_made() -> None:
    app = await deep_app(bank := Bank())
    await app.run(GIVEN)
    state = await app.run(decisions(REJECT))
    assert (bank.paid, state["messages"][-1].text) == ([], "done")


@pytest.mark.promise("users-never-cross")
async def test_resume_by_another_user_does_not_pay() -> None:
    app = await deep_app(bank := Bank(), with_middleware=False)
    await app.run(GIVEN)
    await app.run(decisions(APPROVE), user="bob")
    assert bank.paid == []


def compiled(model: Any, tools: Any) -> Any:
    """A sub-agent that was compiled before: deepagents #2362 and #2797 are about its context."""
    return create_agent(model, tools, context_schema=Context)


def detached(model: Any, tools: Any) -> Any:
    """A sub-agent whose framework drops the context."""
    inner = compiled(model, tools)

    async def run(state: Any) -> Any:
        return await asyncio.create_task(inner.ainvoke(state), context=contextvars.Context())

    return RunnableLambda(lambda _: None, afunc=run)


@pytest.mark.promise("verified-caller")
@pytest.mark.parametrize("runnable", [None, compiled], ids=["declared", "compiled"])
async def test_context_reaches_sub_agents(runnable: Any) -> None:
    """As deepagents #2362 and #2797 say that it did not: 0.7.32 passes it on."""
    app = await deep_app(bank := Bank(), turns=READS, with_middleware=False, runnable=runnable)
    await app.run(GIVEN)
    assert [tool for tool, *_ in bank.calls] == ["balance"]


@pytest.mark.promise("verified-caller")
@pytest.mark.parametrize("user", ["alice", None])
async def test_context_that_is_dropped_is_a_refusal(user: str | None) -> None:
    app = await deep_app(bank := Bank(), turns=READS, with_middleware=False, runnable=detached)
    with pytest.raises(AccessTokenError) as refused:
        await app.run(GIVEN, user)
    assert str(refused.value.code) == "access_token_missing"
    assert bank.calls == []
    assert app.identity.vault.obtained == []


@pytest.mark.promise("verified-caller")
@pytest.mark.parametrize("runnable", [None, compiled], ids=["declared", "compiled"])
async def test_sub_agent_of_a_run_without_a_caller_is_a_refusal(runnable: Any) -> None:
    app = await deep_app(bank := Bank(), turns=READS, with_middleware=False, runnable=runnable)
    with pytest.raises(AccessTokenError):
        await app.run(GIVEN, None)
    assert bank.calls == []


@pytest.mark.promise("approval-binds")
async def test_tool_of_deep_agents_that_no_policy_names_asks() -> None:
    written = call("write_file", "call_1", file_path="/notes", content="secret plans")
    app = await deep_app(Bank(), turns=[says(written), says()])
    question = question_of(await app.run(GIVEN))
    assert [action["name"] for action in question["action_requests"]] == ["write_file"]
    state = await app.run(decisions(APPROVE))
    assert "/notes" in state["files"]


@pytest.mark.promise("no-secret-leaves")
async def test_checkpoints_of_a_sub_agent_have_no_secret(tmp_path: Any) -> None:
    app = await deep_app(Bank(), turns=PAYS)
    await app.run(GIVEN)
    await app.run(decisions(APPROVE))
    kept = await kept_by(app.graph.checkpointer, tmp_path)
    assert b"Pay." in kept
    assert TOKEN.encode() not in kept
    assert CREDENTIAL.encode() not in kept


@pytest.mark.promise("approval-binds")
async def test_general_purpose_sub_agent_is_replaced_by_one_with_the_middleware() -> None:
    task = call("task", "call_1", description="Write.", subagent_type="general-purpose")
    written = call("write_file", "call_2", file_path="/notes", content="plans")
    app = await deep_app(Bank(), turns=[says(task), says(written), says(), says()], name="general-purpose")
    question = question_of(await app.run(GIVEN))
    assert [action["name"] for action in question["action_requests"]] == ["write_file"]
