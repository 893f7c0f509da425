"""No token and no credential is in what LangGraph keeps, streams or traces, nor in what is raised."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.tracers.langchain import LangChainTracer
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.prebuilt import ToolRuntime
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.store.sqlite.aio import AsyncSqliteStore
from langsmith import Client, tracing_context

from idaas_agent import IdentityContext
from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.middleware import IdentityMiddleware
from idaas_agent.library.tools import tools_of
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret
from tests.library.called_app import (
    APPROVE,
    SCOPE,
    Bank,
    Context,
    MemoryIdentity,
    ScriptedChat,
    call,
    decisions,
    pay,
)
from tests.security.secrecy.langsmith_collector import Collector, variables_of
from tools.approval_policy import READS
from tools.service import ToolResult

pytestmark = pytest.mark.promise("no-secret-leaves")
TOKEN = "alice-at"
CREDENTIAL = f"{SCOPE}-of-alice-0"
THREAD = {"configurable": {"thread_id": "t"}}


class Traces(AsyncCallbackHandler):
    """What a tracer gets, as text."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        async def seen(*given: Any, **members: Any) -> None:
            self.seen.append(repr((given, members)))

        return seen


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def saver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield InMemorySaver()
    elif request.param == "sqlite":
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as made:
            yield made
    else:
        async with AsyncPostgresSaver.from_conn_string(request.getfixturevalue("postgres").url) as made:
            await made.setup()
            yield made
            await made.adelete_thread("t")  # its tables stay


def says(*calls: Any) -> AIMessage:
    return AIMessage("" if calls else "done", tool_calls=list(calls))


async def kept_by(saver: Any, folder: Path) -> bytes:
    """All that a saver has."""
    if isinstance(saver, InMemorySaver):
        stored = {str(k): {ns: dict(v) for ns, v in each.items()} for k, each in saver.storage.items()}
        return pickle.dumps([stored, dict(saver.writes), dict(saver.blobs)])
    if isinstance(saver, AsyncPostgresSaver):
        return b"".join([part async for part in rows_of(saver.conn)])
    await saver.conn.commit()
    files = [file for file in folder.iterdir() if file.is_file()]  # noqa: ASYNC240 - of a test
    return b"".join(file.read_bytes() for file in files)


async def rows_of(connection: Any) -> AsyncIterator[bytes]:
    """All rows of all tables of LangGraph's in a PostgreSQL, as bytes."""
    tables = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in await tables.fetchall():
        for row in await (await connection.execute(f"SELECT * FROM {table['tablename']}")).fetchall():  # noqa: S608 - names of tables
            for value in row.values():
                yield value if isinstance(value, bytes) else repr(value).encode()


@pytest.mark.parametrize("with_middleware", [True, False])
async def test_checkpoints_streams_traces_and_messages_have_no_secret(saver, tmp_path, with_middleware):
    bank = Bank(pay=ToolResult("paid, see https://bank.example"))
    identity, traces = MemoryIdentity(), Traces()
    tools = await tools_of(identity, [bank])
    agent = create_agent(
        ScriptedChat(turns=[says(pay(10)), says(), says(pay(10, "call_2"))]),
        tools,
        middleware=[IdentityMiddleware(identity, {}, shared_threads=False)] if with_middleware else [],
        context_schema=Context,
        checkpointer=saver,
    )
    seen: list[str] = []
    for given in ({"messages": [("user", "Pay.")]}, decisions(APPROVE)):
        stream = agent.astream(
            given,
            {**THREAD, "callbacks": [traces]},
            context=Context(Secret(TOKEN)),
            stream_mode=["values", "updates", "messages", "custom", "debug", "tasks", "checkpoints"],
        )
        seen += [repr(event) async for event in stream]
    identity.tokens.refused.add(TOKEN)
    with pytest.raises(AccessTokenError) as raised:
        await agent.ainvoke({"messages": [("user", "Pay.")]}, THREAD, context=Context(Secret(TOKEN)))
    assert bank.paid == [10]
    seen += [*traces.seen, repr(raised.value), str(raised.value)]
    kept = await kept_by(saver, tmp_path)
    assert b"paid, see" in kept
    for secret in (TOKEN, CREDENTIAL):
        assert [text for text in seen if secret in text] == []
        assert secret.encode() not in kept


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield InMemoryStore()
        return
    if request.param == "sqlite":
        opening: Any = AsyncSqliteStore.from_conn_string(str(tmp_path / "store.db"))
    else:
        opening = AsyncPostgresStore.from_conn_string(request.getfixturevalue("postgres").url)
    async with opening as made:
        await made.setup()
        yield made
        await made.adelete(("notes",), "latest")  # its tables stay


async def stored_by(store: Any, folder: Path) -> bytes:
    """All that a store has."""
    if isinstance(store, InMemoryStore):
        return repr(dict(store._data)).encode()
    if isinstance(store, AsyncPostgresStore):
        return b"".join([part async for part in rows_of(store.conn)])
    await store.conn.commit()
    return b"".join(file.read_bytes() for file in folder.glob("store.db*"))  # noqa: ASYNC240 - of a test


async def test_store_that_an_applications_tool_writes_to_has_no_secret(store, tmp_path):
    identity, bank = MemoryIdentity(), Bank()

    async def remember(note: str, runtime: ToolRuntime) -> str:
        """Remembers a note, and who made it."""
        about = {"note": note, "state": repr(runtime.state), "context": repr(runtime.context)}
        await runtime.store.aput(("notes",), "latest", about)
        return "kept"

    turns = [says(call("balance", "call_1")), says(call("remember", "call_2", note="5000 left")), says()]
    agent = create_agent(
        ScriptedChat(turns=turns),
        [*await tools_of(identity, [bank]), governed_tool(identity, remember, READS)],
        middleware=[IdentityMiddleware(identity, {}, shared_threads=False)],
        context_schema=Context,
        store=store,
    )
    await agent.ainvoke({"messages": [("user", "Go.")]}, context=Context(Secret(TOKEN)))
    kept = await stored_by(store, tmp_path)
    assert b"5000 left" in kept
    assert TOKEN.encode() not in kept
    assert CREDENTIAL.encode() not in kept


async def test_langsmith_gets_no_secret(serve, monkeypatch):
    collector, identity = Collector(), MemoryIdentity()
    origin = await serve(collector)
    for name, value in variables_of(origin).items():
        monkeypatch.setenv(name, value)
    client = Client(api_url=origin, api_key="none")
    agent = create_agent(
        ScriptedChat(turns=[says(pay(10)), says()]),
        await tools_of(identity, [Bank()]),
        middleware=[IdentityMiddleware(identity, {}, shared_threads=False)],
        context_schema=IdentityContext,
        checkpointer=InMemorySaver(),
    )
    traced = {**THREAD, "callbacks": [LangChainTracer(client=client)]}
    with tracing_context(enabled=True):  # an agent that was composed in this process has disabled it
        for given in ({"messages": [("user", "Pay.")]}, decisions(APPROVE)):
            await agent.ainvoke(given, traced, context=IdentityContext(access_token=TOKEN))
        identity.tokens.refused.add(TOKEN)
        with pytest.raises(AccessTokenError):
            await agent.ainvoke({"messages": []}, traced, context=IdentityContext(access_token=TOKEN))
    await asyncio.to_thread(client.flush)
    await asyncio.to_thread(client.cleanup)
    sent = "".join(collector.sent)
    assert "Pay." in sent
    assert TOKEN not in sent
    assert CREDENTIAL not in sent
