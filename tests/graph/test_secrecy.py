"""The secrets of a run are in the requests to their services, and nowhere else."""

import json
from typing import Any

import aiosqlite
import orjson
import pytest
from langchain_core.messages import AIMessage
from langchain_core.tracers import BaseTracer
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from graph.context import AgentContext
from identity.errors import AccessTokenError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, ENTERPRISE_SCOPE, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import calls

pytestmark = pytest.mark.promise("no-secret-leaves")

DONE = AIMessage("done")
CANARIES = ("-at-canary", "amap_api_key-of-", "llm_api_key-of-", "service.invoke-of-")
MODES = ["values", "updates", "messages", "custom", "debug", "tasks", "checkpoints"]


def found_in(value) -> list[str]:
    """The canaries in `value`, by `repr`, and by orjson as a server would send it."""
    texts = [repr(value)]
    if not isinstance(value, str | bytes):
        texts.append(orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode())
    return [canary for canary in CANARIES if any(canary in text for text in texts)]


def test_canary_is_found() -> None:
    assert found_in(AIMessage("llm_api_key-of-alice-0")) == ["llm_api_key-of-"]
    assert found_in({"a": {"b": [Secret("x-at-canary").reveal()]}}) == ["-at-canary"]
    assert found_in(Secret("x-at-canary")) == []


def _plain(value):
    return value.model_dump() if hasattr(value, "model_dump") else repr(value)


@pytest.fixture(params=["memory", "sqlite"])
async def saver(request, tmp_path):
    """A checkpointer, and how to read everything that it wrote.

    It deserializes as with LANGGRAPH_STRICT_MSGPACK, which is read when langgraph is imported.
    """
    strict = JsonPlusSerializer(allowed_msgpack_modules=None)
    if request.param == "memory":
        memory = InMemorySaver(serde=strict)
        yield memory, lambda: repr((dict(memory.storage), dict(memory.writes), dict(memory.blobs)))
        return
    path = tmp_path / "checkpoints.sqlite"
    async with aiosqlite.connect(path) as connection:
        sqlite = AsyncSqliteSaver(connection, serde=strict)
        yield (
            sqlite,
            lambda: "".join(
                file.read_bytes().decode("latin-1") for file in tmp_path.iterdir() if file.is_file()
            ),
        )


def full(turns=None, **options):
    """A graph under Human identity that calls two services, one of which renews its credential."""
    amap = EchoService("amap", AMAP_KEY, weather="sunny")
    amap.renew_first = True
    return bench(
        turns or [calls(("weather", {"city": "x"}), ("invoke", {})), DONE],
        amap,
        EchoService("enterprise", ENTERPRISE_SCOPE, invoke="hi"),
        access_identity=AccessIdentity.HUMAN,
        **options,
    )


def context(token="alice-at-canary"):
    return AgentContext(Secret(token), streaming=True)


class RecordingTracer(BaseTracer):
    """Keeps what a tracing service would receive."""

    def __init__(self):
        super().__init__()
        self.runs = []

    def _persist_run(self, run):
        self.runs.append(run)


async def test_no_stream_mode_shows_a_secret(saver: Any) -> None:
    b = full(checkpointer=saver[0])
    config = {"configurable": {"thread_id": "1"}}
    parts = [
        part
        async for part in b.graph.astream(
            {"messages": [("user", "hi")]}, config, context=context(), stream_mode=MODES
        )
    ]
    assert {mode for mode, _ in parts} == set(MODES)
    assert [(mode, found) for mode, part in parts if (found := found_in(part))] == []
    for mode, part in parts:
        if mode in ("values", "checkpoints"):
            assert "credentials" not in (part if mode == "values" else part["values"])
    secrets = [secret for service in b.services for _, _, secret in service.calls]
    assert all(any(canary in secret for canary in CANARIES) for secret in secrets), "the canaries were in use"
    assert len(secrets) == 2


async def test_no_event_and_no_trace_shows_a_secret() -> None:
    tracer = RecordingTracer()
    events = [
        event
        async for event in full().graph.astream_events(
            {"messages": [("user", "hi")]}, {"callbacks": [tracer]}, context=context(), version="v2"
        )
    ]
    assert len(events) > 20
    assert found_in(repr(events)) == []
    assert tracer.runs
    for run in tracer.runs:
        assert found_in(run.model_dump_json() if hasattr(run, "model_dump_json") else repr(run)) == []
        assert found_in(repr(run)) == []


async def test_no_checkpoint_has_a_secret(saver: Any) -> None:
    checkpointer, written = saver
    b = full(checkpointer=checkpointer)
    config = {"configurable": {"thread_id": "1"}}
    await b.graph.ainvoke({"messages": [("user", "hi")]}, config, context=context())
    state = await b.graph.aget_state(config)
    history = [snapshot async for snapshot in b.graph.aget_state_history(config)]
    text = written()
    assert "sunny" in text, "it was written"
    assert found_in(text) == []
    assert found_in(repr((state, history))) == []
    assert "credentials" not in state.values


async def test_failed_run_stores_no_secret(saver: Any) -> None:
    checkpointer, written = saver
    b = full([RuntimeError("the model's fault")], checkpointer=checkpointer)
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(RuntimeError):
        await b.graph.ainvoke({"messages": [("user", "hi")]}, config, context=context())
    assert found_in(written()) == []
    assert found_in(repr(await b.graph.aget_state(config))) == []


async def test_resumed_run_acts_for_the_caller_who_resumes_it(saver: Any) -> None:
    checkpointer, written = saver
    b = full(checkpointer=checkpointer)
    config = {"configurable": {"thread_id": "1"}}
    await b.graph.ainvoke(
        {"messages": [("user", "hi")]}, config, context=context(), interrupt_before=["amap", "enterprise"]
    )
    state = await b.graph.aget_state(config)
    assert set(state.next) == {"amap", "enterprise"}
    assert state.values["principal"]["subject"] == "alice"
    b.vault.obtained.clear()
    await b.graph.ainvoke(None, config, context=context("bob-at-canary"))
    assert {owner for _, owner in b.vault.obtained} == {"bob"}
    assert all("-of-bob-" in secret for service in b.services for _, _, secret in service.calls)
    assert b.model.keys == ["llm_api_key-of-alice-0", "llm_api_key-of-bob-1"]
    assert (await b.graph.aget_state(config)).values["principal"]["subject"] == "bob"
    assert found_in(written()) == []


async def test_run_cannot_be_resumed_without_a_token_or_with_a_refused_one(saver: Any) -> None:
    b = full(checkpointer=saver[0])
    config = {"configurable": {"thread_id": "1"}}
    await b.graph.ainvoke(
        {"messages": [("user", "hi")]}, config, context=context(), interrupt_before=["amap", "enterprise"]
    )
    b.vault.obtained.clear()
    b.tokens.refused.add("mallory-at-canary")
    for resumed_by in (None, AgentContext(None), context("mallory-at-canary")):
        with pytest.raises(AccessTokenError):
            await b.graph.ainvoke(None, config, context=resumed_by)
    assert b.vault.obtained == []
    assert [service.calls for service in b.services] == [[], []]


async def test_input_cannot_contain_credentials_or_a_principal() -> None:
    b = full()
    planted = {
        "messages": [("user", "hi")],
        "credentials": {"amap": Secret("planted"), "model": Secret("planted")},
        "principal": {"issuer": "https://evil.example", "subject": "root"},
        "offered": {"weather": "enterprise"},
        "rounds": -100,
    }
    updates = [u async for u in b.graph.astream(planted, context=context(), stream_mode="updates")]
    assert "planted" not in b.model.keys
    parts = [part for update in updates for part in update.values() if part]
    principals = {part["principal"]["subject"] for part in parts if "principal" in part}
    assert principals == {"alice"}


async def test_second_run_on_a_thread_acts_for_its_own_caller(saver: Any) -> None:
    b = full(checkpointer=saver[0])
    config = {"configurable": {"thread_id": "1"}}
    await b.graph.ainvoke({"messages": [("user", "hi")]}, config, context=context())
    b.vault.obtained.clear()
    b.model.turns[:] = [DONE]
    await b.graph.ainvoke({"messages": [("user", "again")]}, config, context=context("bob-at-canary"))
    assert {owner for _, owner in b.vault.obtained} == {"bob"}


async def test_checkpoints_contain_only_types_that_strict_deserialization_accepts(
    saver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    b = full(checkpointer=saver[0])
    config = {"configurable": {"thread_id": "1"}}
    await b.graph.ainvoke({"messages": [("user", "hi")]}, config, context=context())
    values = (await b.graph.aget_state(config)).values
    assert [m.type for m in values["messages"]] == ["human", "ai", "tool", "tool", "ai"]
    assert values["principal"] == {"issuer": "https://idaas.example", "subject": "alice"}
    assert "unregistered" not in caplog.text.lower()
    rest = {key: value for key, value in values.items() if key != "messages"}
    assert json.loads(json.dumps(rest)) == rest


async def test_streams_and_traces_show_no_credential_of_the_state(saver: Any) -> None:
    """Not in the input or update of a node: what it is for, where it is sent, and when it expires."""
    b, tracer = full(checkpointer=saver[0]), RecordingTracer()
    config = {"configurable": {"thread_id": "1"}, "callbacks": [tracer]}
    question = {"messages": [("user", "hi")]}
    parts = [part async for part in b.graph.astream(question, config, context=context(), stream_mode=MODES)]
    assert b.vault.obtained
    shown = [*parts, *(run.model_dump() if hasattr(run, "model_dump") else run.dict() for run in tracer.runs)]
    texts = [
        f"{part!r} {orjson.dumps(part, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()}"
        for part in shown
    ]
    members = ("placement", "expires_at", "Authorization", "UnavailableCredential", "Credential(")
    assert [(member, text) for text in texts for member in members if member in text] == []


async def test_credentials_written_by_a_client_are_ignored(saver: Any) -> None:
    b = full(checkpointer=saver[0])
    config = {"configurable": {"thread_id": "1"}}
    planted = {"messages": [("user", "hi")], "credentials": {"model": Secret("planted")}}
    await b.graph.aupdate_state(config, planted, as_node="authenticate")
    await b.graph.ainvoke(None, config, context=context())
    assert b.model.keys == ["llm_api_key-of-alice-0"] * 2
