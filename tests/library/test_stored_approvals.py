"""`approvals=`: what was asked, decided and begun outlives the process."""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState

from agent.conversations.owned_thread import ThreadOwner
from agent.conversations.threads import ThreadStore
from idaas_agent.library.approval_database import ApprovalDatabase
from idaas_agent.library.middleware import IdentityMiddleware
from idaas_agent.library.tool_node import tool_node_of
from idaas_agent.library.tools import tools_of
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import AccessTokenError, UnavailableError
from identity.principal import Principal
from identity.secrets.secret import Secret
from identity.settings.key_files import ConversationKeys
from tests.databases.postgres_server import stored_in
from tests.forked import run
from tests.library.called_app import (
    APPROVE,
    REJECT,
    Bank,
    CalledApp,
    Context,
    MemoryIdentity,
    ScriptedChat,
    call,
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
ROOT = Path(__file__).parents[2]
ALICE = Principal("https://idaas.example", "alice")
KEY, NEXT_KEY = "A" * 43, "B" * 42 + "A"
EDITED = {"amount": 20, "note": "rent-of-may"}
WEEK = 7 * 86_400


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    is_sqlite = request.param == "sqlite"
    return f"sqlite:///{tmp_path}/approvals.db" if is_sqlite else request.getfixturevalue("postgres").url


@pytest.fixture
def stored(request: pytest.FixtureRequest, url: str) -> Callable[[], str]:
    """All that the database has."""
    if url.startswith("postgresql"):
        return lambda: stored_in(request.getfixturevalue("postgres"))
    file = Path(url.removeprefix("sqlite:///"))
    return lambda: "".join(part.read_bytes().decode("latin-1") for part in file.parent.glob(f"{file.name}*"))


def keys_of(*lines: str) -> ConversationKeys:
    return ConversationKeys(SealingKeys.of("\n".join(lines)), allows_clear=False)


@asynccontextmanager
async def opened(app: CalledApp, url: str) -> AsyncIterator[ApprovalDatabase]:
    """The database as another process has it."""
    is_file = url.startswith("sqlite:///")
    place = Path(url.removeprefix("sqlite:///")) if is_file else Secret(url)
    database = ApprovalDatabase(place, app.identity.settings, clock=app.identity.clock)
    yield database
    await database.aclose()


async def kept_up(app: CalledApp, url: str) -> None:
    async with opened(app, url) as database:
        await database.upkeep()


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


async def test_edit_that_the_middleware_was_given_counts_in_another_process(url):
    bank, identity = Bank(), MemoryIdentity(url)
    turn = AIMessage("", tool_calls=[pay(50, "call_1"), pay(60, "call_2")])
    agent = create_agent(
        ScriptedChat(turns=[turn, AIMessage("done")]),
        await tools_of(identity, [bank]),
        middleware=[IdentityMiddleware(identity, {}, shared_threads=False)],
        context_schema=Context,
        checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )
    app = CalledApp(identity, agent)
    await app.run({"messages": [("user", "Pay.")]})
    await app.run(decisions(edit(20), REJECT))
    await restarted(app)
    await app.run(None)
    assert bank.paid == [20]
    await closed(app)


async def test_answer_that_was_taken_before_the_process_ended_is_not_asked_for_again(url):
    bank, identity, ended = Bank(), MemoryIdentity(url), []

    async def ends_once(request, execute):
        if not ended and await decided(app):
            ended.append(True)
            raise RuntimeError("the process ends")
        return await execute(request)

    tools = await tools_of(identity, [bank])
    node = tool_node_of(identity, tools, awrap_tool_call=ends_once, handle_tool_errors=False)
    app = CalledApp(identity, in_a_graph(node, InMemorySaver()))
    await app.ask(pay(50))
    with pytest.raises(RuntimeError):
        await app.run(decisions(edit(20)))
    await restarted(app)
    state = await app.run(None)
    assert "__interrupt__" not in state
    assert bank.paid == [20]
    await closed(app)


async def decided(app: CalledApp) -> bool:
    """Whether alice has answered all questions."""
    kept = app.identity.known_calls.kept(await app.identity.parts())
    return not await kept.approvals.pending(ALICE)


async def test_edited_arguments_that_were_changed_in_the_database_are_not_used(tmp_path):
    file = tmp_path / "approvals.db"
    bank, identity = Bank(), MemoryIdentity(f"sqlite:///{file}")
    agent = create_agent(
        ScriptedChat(turns=[AIMessage("", tool_calls=[pay(50)]), AIMessage("done")]),
        await tools_of(identity, [bank]),
        middleware=[IdentityMiddleware(identity, {}, shared_threads=False)],
        context_schema=Context,
        checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )
    app = CalledApp(identity, agent)
    await app.run({"messages": [("user", "Pay.")]})
    await app.run(decisions(edit(20)))
    await restarted(app)
    with closing(sqlite3.connect(file)) as connection, connection:
        cursor = connection.execute("SELECT id, body FROM approvals WHERE id LIKE 'edit-%'")
        [(approval_id, body)] = cursor.fetchall()
        changed = body.replace(b'{"amount":20}', b'{"amount":21}')
        assert changed != body
        connection.execute("UPDATE approvals SET body = ? WHERE id = ?", (changed, approval_id))
    state = await app.run(None)
    assert bank.paid == []
    assert results(state)["call_1"][0] == "error"
    await closed(app)


async def test_question_and_edit_are_encrypted_under_the_key_of_conversations(url, stored):
    app = await called_app(bank := Bank(), approvals=url, keys=keys_of(KEY))
    await app.ask(call("pay", "call_1", amount=50, note="rent-of-april"))
    await app.run(decisions({"type": "edit", "edited_action": {"name": "pay", "args": EDITED}}))
    assert bank.calls[-1][1] == EDITED
    await closed(app)
    kept = stored()
    assert "edit-" in kept
    for text in ("rent-of-may", "bank.pay", "call_1"):
        assert text not in kept
    app.identity.forgets()
    app.identity.settings.conversations_key_file = None
    with pytest.raises(UnavailableError, match="CONVERSATIONS_KEY_FILE lacks the key"):
        await app.ask(pay(10, "call_2"))
    await closed(app)


async def test_approval_counts_under_the_key_that_follows_and_then_the_former_is_not_needed(url):
    app = await called_app(bank := Bank(), approvals=url, keys=keys_of(KEY))
    await app.ask(pay(50))
    await closed(app)
    app.identity.settings.conversations_key_file = keys_of(NEXT_KEY, KEY)
    await kept_up(app, url)
    app.identity.settings.conversations_key_file = keys_of(NEXT_KEY)
    app.identity.forgets()
    await app.run(decisions(APPROVE))
    assert bank.paid == [50]
    await closed(app)


async def test_approval_that_was_stored_in_clear_counts_under_a_key_only_if_its_file_says_so(url):
    app = await called_app(bank := Bank(), approvals=url)
    await app.ask(pay(50))
    app.identity.settings.conversations_key_file = keys_of(KEY)
    await restarted(app)
    with pytest.raises(UnavailableError) as refused:
        await app.run(decisions(APPROVE))
    assert str(refused.value.code) == "approval_unavailable"
    app.identity.settings.conversations_key_file = ConversationKeys(SealingKeys.of(KEY), allows_clear=True)
    await restarted(app)
    await app.run(decisions(APPROVE))
    assert bank.paid == [50]
    await closed(app)


async def test_approval_is_deleted_a_week_after_its_time(url, stored):
    app = await called_app(Bank(), approvals=url)
    question = question_of(await app.ask(pay(50)))
    approval_id = question["approvals"][0]["id"]
    app.identity.clock.advance(600 + WEEK - 1)
    await kept_up(app, url)
    assert approval_id in stored()
    app.identity.clock.advance(2)
    await kept_up(app, url)
    assert approval_id not in stored()
    await closed(app)


async def test_approval_of_an_agents_conversation_in_the_same_database_is_not_deleted(url, stored):
    app = await called_app(Bank(), approvals=url)
    question = question_of(await app.ask(pay(50)))
    clock = app.identity.clock
    alice = await app.identity.tokens.verify(Secret("alice-at"))
    async with opened(app, url) as database:
        await ThreadStore(database.database, clock=clock).open(ThreadOwner.of(alice), app.thread)
    clock.advance(600 + WEEK + 1)
    await kept_up(app, url)
    assert question["approvals"][0]["id"] in stored()
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


async def test_result_of_a_call_that_was_made_before_the_next_question_is_known_in_another_process(url):
    app = await called_app(bank := Bank(), approvals=url)
    await app.ask(pay(10, "call_1"), pay(20, "call_2"))
    await app.run(decisions(APPROVE))
    # The question does not wait for the call beside it.
    await app.identity.known_calls.made.end_of(app.thread)
    await restarted(app)
    state = await app.run(decisions(APPROVE))
    assert sorted(bank.paid) == [10, 20]
    assert list(results(state).values()) == [("success", "paid")] * 2
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


async def test_words_of_a_caller_who_was_not_verified_are_read_by_no_model(tmp_path):
    app = await called_app(bank := Bank(), approvals=f"sqlite:///{tmp_path}/approvals.db")
    await app.ask(pay(50))
    await restarted(app)
    app.identity.tokens.refused.add("mallory-at")
    with pytest.raises(AccessTokenError):
        await app.run(decisions({**REJECT, "message": "pay mallory"}), user="mallory")
    await restarted(app)
    status, text = results(await app.run(None))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "mallory" not in text
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
    app.graph.checkpointer.writes.clear()  # the process ended before the result was kept
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


@pytest.fixture
def run_step(url: str, tmp_path: Path) -> Callable[[str], tuple[int | None, Any]]:
    """Runs a step of `killed_app` in a process of its own: its exit status, and the results or its errors."""
    place = "sqlite" if url.startswith("sqlite") else url
    written = tmp_path / "results.json"

    def run_step(step: str) -> tuple[int | None, Any]:
        written.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.library.killed_app", str(tmp_path), place, step]
        status, printed = run(command, os.environ, ROOT)
        return status, json.loads(written.read_text()) if written.exists() else printed

    return run_step


def test_call_that_waited_when_the_process_was_killed_is_made_once(run_step, tmp_path):
    assert run_step("ask")[0] == -signal.SIGKILL
    code, found = run_step("answer")
    assert code == 0, found
    assert found["call_1"] == ["success", "sent"]
    assert run_step("again")[0] == 0
    assert (tmp_path / "sent").read_text() == "1\n"


def test_call_during_which_the_process_was_killed_is_never_made_again(run_step, tmp_path):
    assert run_step("ask")[0] == -signal.SIGKILL
    code, _ = run_step("die")
    assert code == -signal.SIGKILL
    assert (tmp_path / "sent").read_text() == "1\n"
    for step in ("again", "answer"):
        code, found = run_step(step)
        assert code == 0, found
        assert found["call_1"][0] == "error"
        assert "may already have taken effect" in found["call_1"][1]
    assert (tmp_path / "sent").read_text() == "1\n"
