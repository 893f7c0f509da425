"""`approvals=`: what was asked, decided and begun outlives the process."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState

from idaas_agent.library.middleware import IdentityMiddleware
from idaas_agent.library.tools import tools_of
from identity.errors import AccessTokenError
from tests.library.called_app import (
    APPROVE,
    REJECT,
    Bank,
    CalledApp,
    Context,
    MemoryIdentity,
    ScriptedChat,
    called_app,
    decisions,
    edit,
    in_a_graph,
    pay,
    question_of,
    results,
)
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("approval-binds")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    is_sqlite = request.param == "sqlite"
    return f"sqlite:///{tmp_path}/approvals.db" if is_sqlite else request.getfixturevalue("postgres").url


async def closed(app: CalledApp) -> None:
    await (await app.identity.parts()).users.aclose()


async def restarted(app: CalledApp) -> None:
    """Another process goes on with the same database and checkpoints."""
    await closed(app)
    app.identity.forgets()


async def test_answer_counts_in_another_process(url):
    app = await called_app(bank := Bank(), approvals=url)
    await app.ask(pay(50))
    await restarted(app)
    assert results(await app.run(decisions(APPROVE)))["call_1"] == ("success", "paid")
    assert bank.paid == [50]
    await closed(app)


async def test_edit_counts_in_another_process(url):
    app = await called_app(bank := Bank(), approvals=url)
    await app.ask(pay(50))
    await restarted(app)
    await app.run(decisions(edit(20)))
    assert bank.paid == [20]
    await closed(app)


async def test_second_answer_of_one_task_counts_for_its_own_call_in_another_process(url):
    app = await called_app(bank := Bank(), approvals=url)
    first = question_of(await app.ask(pay(10, "call_1"), pay(20, "call_2")))
    asked = first["action_requests"][0]["args"]["amount"]
    await app.run(decisions(REJECT))
    await restarted(app)
    state = await app.run(decisions(APPROVE))
    assert bank.paid == [30 - asked]
    assert sorted(status for status, _ in results(state).values()) == ["error", "success"]
    await closed(app)


async def test_another_users_answer_calls_nothing_in_another_process(url):
    app = await called_app(bank := Bank(), approvals=url)
    await app.ask(pay(50))
    await restarted(app)
    status, text = results(await app.run(decisions(APPROVE), user="bob"))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "another user" in text
    await closed(app)


async def test_answer_of_a_caller_who_was_not_verified_counts_in_no_process(url):
    app = await called_app(bank := Bank(), approvals=url)
    await app.ask(pay(50))
    await restarted(app)
    app.identity.tokens.refused.add("mallory-at")
    with pytest.raises(AccessTokenError):
        await app.run(decisions(APPROVE), user="mallory")
    await restarted(app)
    state = await app.run(None)
    assert bank.paid == []
    assert results(state)["call_1"][0] == "error"
    await closed(app)


async def test_changed_question_in_the_checkpoint_grants_nothing(url):
    app = await called_app(bank := Bank(), approvals=url)
    asked = question_of(await app.ask(pay(50)))
    saver = app.graph.checkpointer
    for writes in saver.writes.values():
        for key, (task, channel, written, path) in writes.items():
            if channel == "__interrupt__":
                (waiting,) = saver.serde.loads_typed(written)
                waiting.value["action_requests"][0]["args"]["amount"] = 900
                writes[key] = task, channel, saver.serde.dumps_typed([waiting]), path
    await restarted(app)
    again = question_of(await app.run(decisions(APPROVE)))
    assert bank.paid == []
    assert again["id"] != asked["id"]
    assert again["action_requests"][0]["args"] == {"amount": 50}
    await closed(app)


async def test_call_without_a_question_begins_once_over_all_processes(url):
    bank = Bank()
    bank.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW)
    app = await called_app(bank, approvals=url)
    await app.ask(pay(50))
    configuration = {"configurable": {"thread_id": app.thread}}
    history = [state async for state in app.graph.aget_state_history(configuration)]
    before = next(state for state in history if state.next == ("tools",))
    await restarted(app)
    state = await app.run(None, checkpoint_id=before.config["configurable"]["checkpoint_id"])
    assert bank.paid == [50]
    assert "may already have taken effect" in results(state)["call_1"][1]
    await closed(app)


async def test_call_of_a_node_without_an_id_is_answered_in_another_process(url):
    bank, identity = Bank(), MemoryIdentity(url)
    _, pays = await tools_of(identity, [bank])

    async def node(state: MessagesState) -> dict:
        return {"messages": [AIMessage(await pays.ainvoke({"amount": 50}))]}

    app = CalledApp(identity, in_a_graph(node, InMemorySaver()))
    question_of(await app.run({"messages": [("user", "Pay.")]}))
    await restarted(app)
    await app.run(decisions(APPROVE))
    assert bank.paid == [50]
    await closed(app)


async def test_middlewares_question_is_answered_in_another_process(url):
    bank, identity = Bank(), MemoryIdentity(url)
    turn = AIMessage("", tool_calls=[pay(10, "call_1"), pay(20, "call_2")])
    agent = create_agent(
        ScriptedChat(turns=[turn, AIMessage("done")]),
        await tools_of(identity, [bank]),
        middleware=[IdentityMiddleware(identity, {}, shared_threads=False)],
        context_schema=Context,
        checkpointer=InMemorySaver(),
    )
    app = CalledApp(identity, agent)
    await app.run({"messages": [("user", "Pay.")]})
    await restarted(app)
    await app.run(decisions(REJECT, APPROVE))
    assert bank.paid == [20]
    await closed(app)


def test_call_during_which_the_process_was_killed_is_never_made_again(tmp_path: Path):
    def run(step: str) -> tuple[int, Any]:
        command = [sys.executable, "-m", "tests.library.killed_app", str(tmp_path), step]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)  # noqa: S603 - ours
        return ended.returncode, json.loads(ended.stdout) if ended.stdout else ended.stderr

    assert run("ask") == (0, {})
    code, _ = run("approve")
    assert code == -signal.SIGKILL
    assert (tmp_path / "sent").read_text() == "1\n"
    code, found = run("again")
    assert code == 0, found
    assert found["call_1"][0] == "error"
    assert "may already have taken effect" in found["call_1"][1]
    assert (tmp_path / "sent").read_text() == "1\n"
