"""Checkpoints of runs that wait: one for each thread, sealed as a whole, and read strictly."""

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

from agent.conversations.checkpoints import Checkpoints
from agent.conversations.database.database import Database, query
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import RunKey
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.run_checkpoint import RunCheckpoint
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ConfigurationError
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.stored_threads import ALICE

KEY = "A" * 43
RUN = RunKey(ALICE.thread("t"), "run-1")
CALL = {"id": "call_1", "name": "leave_apply", "args": {"days": 3}, "type": "tool_call"}


class State(TypedDict):
    """Of a run that asks twice."""

    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]
    principal: dict[str, str]


def model(state: State) -> dict[str, Any]:
    return {"messages": [AIMessage("", tool_calls=[CALL])], "log": ["model"], "principal": {"subject": "a"}}


def ask(state: State) -> dict[str, Any]:
    answer = interrupt({"action": "leave_apply", "secret plan": "holiday"})
    again = interrupt({"action": "again"})
    return {"messages": [AIMessage(f"The answers were {answer} and {again}")], "log": ["ask"]}


def graph(checkpoint: RunCheckpoint) -> Any:
    built = StateGraph(State)
    built.add_node("model", model)
    built.add_node("ask", ask)
    built.add_edge(START, "model")
    built.add_edge("model", "ask")
    built.add_edge("ask", END)
    return built.compile(checkpointer=checkpoint)


OpenCheckpoints = Callable[..., Checkpoints]


@pytest.fixture
def checkpoints_of(new_database: NewDatabase) -> OpenCheckpoints:
    """`checkpoints_of(keys)`: as another process opens them."""

    def make(keys: str | None = None) -> Checkpoints:
        return Checkpoints(new_database(), Encryption(None if keys is None else SealingKeys.of(keys)))

    return make


async def paused(checkpoints: Checkpoints) -> None:
    """A run that waits for an answer."""
    await ThreadStore(checkpoints._database).begin_run(RUN, "p")
    checkpoint = RunCheckpoint(RUN, checkpoints)
    question = {"messages": [HumanMessage("Three days of holiday")], "log": []}
    result = await graph(checkpoint).ainvoke(question, checkpoint.config, durability="exit")
    assert result["__interrupt__"]
    await checkpoint.save()


async def answered(checkpoints: Checkpoints, answer: str) -> dict[str, Any]:
    """What the run that waits does then."""
    checkpoint = RunCheckpoint(RUN, checkpoints, resumed=True)
    result = await graph(checkpoint).ainvoke(Command(resume=answer), checkpoint.config, durability="exit")
    await checkpoint.save()
    return result


@pytest.mark.parametrize("keys", [None, KEY], ids=["in clear", "encrypted"])
async def test_run_that_waits_twice_is_continued_by_other_processes(checkpoints_of, keys):
    await paused(checkpoints_of(keys))
    [again] = (await answered(checkpoints_of(keys), "yes"))["__interrupt__"]
    assert again.value == {"action": "again"}
    result = await answered(checkpoints_of(keys), "no")
    assert [message.text for message in result["messages"]] == [
        "Three days of holiday",
        "",
        "The answers were yes and no",
    ]
    assert result["messages"][1].tool_calls == [CALL]
    assert result["log"] == ["model", "ask"]


async def test_run_that_ends_leaves_nothing_and_one_that_waits_again_keeps_it(checkpoints_of, database):
    checkpoints, threads = checkpoints_of(), ThreadStore(database)
    await paused(checkpoints)
    for status, left in (("paused", 1), ("idle", 0)):
        assert not await threads.end_run(RunKey(ALICE.thread("t"), "another-run"), "idle")
        assert await threads.end_run(RUN, status)
        assert len(await rows(database)) == left


async def test_run_whose_process_stops_leaves_nothing(checkpoints_of, database):
    await paused(checkpoints_of())
    await ThreadStore(database).processes.interrupted_of("p", None)
    assert await rows(database) == []


async def test_run_that_is_not_that_of_its_thread_saves_nothing(checkpoints_of, database):
    checkpoints = checkpoints_of()
    await paused(checkpoints)
    saved = await checkpoints.load(RUN)
    assert saved is not None
    before = await rows(database)
    await checkpoints.save(RunKey(ALICE.thread("t"), "another-run"), saved)
    assert await rows(database) == before


async def rows(database: Database) -> list[tuple[Any, ...]]:
    return list(await database.read(lambda: query("SELECT * FROM checkpoints")))


class Exploit:
    """Runs a function when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was executed",))


def extension(kind: int, *parts: Any) -> bytes:
    """LangGraph's MessagePack of an object: of kind 0 one that is made by calling `module.name(argument)`."""
    return ormsgpack.packb(ormsgpack.Ext(kind, ormsgpack.packb(parts)))


CONSTRUCTED = "pytest", "fail", "it was executed"


@pytest.mark.parametrize(
    "forged",
    [pickle.dumps(Exploit()), b"", b"\xc1", ormsgpack.packb(5), ormsgpack.packb([{}, {}, [1]])],
    ids=["pickle", "nothing", "no MessagePack", "a number", "no writes"],
)
async def test_checkpoint_of_another_form_is_refused(checkpoints_of, database, forged):
    await paused(checkpoints_of())
    await database.write(lambda: query("UPDATE checkpoints SET body = ?", b"\0" + forged))
    with pytest.raises(ConfigurationError) as caught:
        await checkpoints_of().load(RUN)
    assert caught.value.code is AgentCode.CONVERSATION_UNREADABLE


async def test_object_of_another_type_is_read_as_plain_data(checkpoints_of, database):
    await paused(checkpoints_of())
    forged = b"\x93" + extension(0, *CONSTRUCTED) + ormsgpack.packb({}) + ormsgpack.packb([])
    await database.write(lambda: query("UPDATE checkpoints SET body = ?", b"\0" + forged))
    saved = await checkpoints_of().load(RUN)
    assert saved is not None
    assert saved.checkpoint == "it was executed"
