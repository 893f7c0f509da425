"""Checkpoints of runs that wait: LangGraph's savers, with strict reading and encryption."""

import json
import operator
import pickle
from collections.abc import Callable
from typing import Annotated, Any

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from agent.conversations.database.database import Database, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.encryption.serializer import checkpoint_serializer
from agent.conversations.store.checkpoints import Checkpoints
from agent.errors.error_codes import AgentCode
from identity.errors import AgentError, ConfigurationError
from identity.sealing.sealing_keys import SealingKeys
from tests.agent.conversations.conftest import NewDatabase

KEY = "A" * 43
CONFIG: Any = {"configurable": {"thread_id": "run-1"}}
CALL = {"id": "call_1", "name": "leave_apply", "args": {"days": 3}, "type": "tool_call"}


class State(TypedDict):
    """Of a run that asks once."""

    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]
    principal: dict[str, str]


def model(state: State) -> dict[str, Any]:
    return {"messages": [AIMessage("", tool_calls=[CALL])], "log": ["model"], "principal": {"subject": "a"}}


def ask(state: State) -> dict[str, Any]:
    answer = interrupt({"action": "leave_apply", "secret plan": "holiday"})
    return {"messages": [AIMessage(f"The answer was {answer}")], "log": ["ask"]}


def graph(checkpoints: Checkpoints) -> Any:
    built = StateGraph(State)
    built.add_node("model", model)
    built.add_node("ask", ask)
    built.add_edge(START, "model")
    built.add_edge("model", "ask")
    built.add_edge("ask", END)
    return built.compile(checkpointer=checkpoints)


OpenCheckpoints = Callable[..., Checkpoints]


@pytest.fixture
def checkpoints_of(new_database: NewDatabase) -> OpenCheckpoints:
    """`checkpoints_of(keys)`: as another process opens them."""

    def make(keys: str | None = None, database: Database | None = None) -> Checkpoints:
        opened = database or new_database()
        serde = checkpoint_serializer(Encryption(None if keys is None else SealingKeys.of(keys)))
        return Checkpoints(lambda: opened.saver(serde), opened.failure)

    return make


async def paused(checkpoints: Checkpoints) -> None:
    """A run that waits for an answer."""
    question = {"messages": [HumanMessage("Three days of holiday")], "log": []}
    result = await graph(checkpoints).ainvoke(question, CONFIG, durability="exit")
    assert result["__interrupt__"]


@pytest.mark.parametrize("keys", [None, KEY], ids=["in clear", "encrypted"])
async def test_run_that_waits_is_continued_by_another_process(
    checkpoints_of: OpenCheckpoints, keys: str | None
) -> None:
    await paused(checkpoints_of(keys))
    result = await graph(checkpoints_of(keys)).ainvoke(Command(resume="yes"), CONFIG, durability="exit")
    assert [message.text for message in result["messages"]] == [
        "Three days of holiday",
        "",
        "The answer was yes",
    ]
    assert result["messages"][1].tool_calls == [CALL]
    assert result["log"] == ["model", "ask"]


async def test_deleted_run_leaves_nothing(checkpoints_of: OpenCheckpoints, database: Database) -> None:
    checkpoints = checkpoints_of()
    await checkpoints.adelete_thread("run-0")  # nothing is there yet
    await paused(checkpoints)
    assert await checkpoints.aget_tuple(CONFIG) is not None
    assert [found async for found in checkpoints.alist(CONFIG)]
    await checkpoints.adelete_thread("run-1")
    assert await checkpoints.aget_tuple(CONFIG) is None
    assert await rows(database) == []


CHECKPOINT_TABLES = ("checkpoints", "writes", "checkpoint_blobs", "checkpoint_writes")


async def rows(database: Database) -> list[tuple[Any, ...]]:
    """Every row of LangGraph's tables."""
    found: list[tuple[Any, ...]] = []
    for table in CHECKPOINT_TABLES:
        try:
            found += await database.read(lambda table=table: query(f"SELECT * FROM {table}"))  # noqa: S608 - constants
        except AgentError:
            continue  # it is a table of the other database
    return found


async def test_encrypted_checkpoint_has_nothing_of_the_conversation_in_clear(
    checkpoints_of: OpenCheckpoints, database: Database
) -> None:
    await paused(checkpoints_of(KEY))
    stored = await rows(database)
    assert len(stored) >= 2
    for hidden in ("holiday", "Three days", "leave_apply", "secret plan"):
        assert hidden not in repr(stored)
        assert hidden.encode().hex() not in repr(stored)


@pytest.mark.parametrize("keys", [None, "B" * 42 + "A"], ids=["no key", "another key"])
async def test_encrypted_checkpoint_is_not_read_without_its_key(
    checkpoints_of: OpenCheckpoints, keys: str | None
) -> None:
    await paused(checkpoints_of(KEY))
    with pytest.raises(ConfigurationError) as caught:
        await checkpoints_of(keys).aget_tuple(CONFIG)
    assert caught.value.code is AgentCode.CONVERSATIONS_UNAVAILABLE


async def test_checkpoint_in_clear_is_refused_if_there_is_a_key(checkpoints_of: OpenCheckpoints) -> None:
    await paused(checkpoints_of(None))
    with pytest.raises(ConfigurationError) as caught:
        await checkpoints_of(KEY).aget_tuple(CONFIG)
    assert "not encrypted" in caught.value.detail


class Exploit:
    """Runs a function when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was executed",))


def constructor(module: str, name: str, argument: str) -> bytes:
    """LangGraph's MessagePack of an object that is made by calling `module.name(argument)`."""
    return ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb((module, name, argument))))


LC = {"lc": 1, "type": "constructor", "id": ["langchain_core", "prompts", "PromptTemplate"], "kwargs": {}}
FORGED = {
    "pickle": ("pickle", pickle.dumps(Exploit())),
    "JSON with a constructor": ("json", json.dumps(LC).encode()),
    "unknown": ("yaml", b"x"),
}


@pytest.mark.parametrize("form", FORGED)
def test_value_of_another_form_is_refused(form: str) -> None:
    with pytest.raises(ConfigurationError):
        checkpoint_serializer(Encryption()).loads_typed(FORGED[form])


def test_object_of_another_type_is_read_as_plain_data() -> None:
    forged = constructor("pytest", "fail", "it was executed")
    read = checkpoint_serializer(Encryption()).loads_typed(("msgpack", forged))
    assert read == "it was executed"
