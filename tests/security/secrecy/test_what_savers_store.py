"""What a saver of LangGraph stores in clear, as docs/conversations.md says; and a token in a run's context,
which it does not store.
"""

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

pytestmark = pytest.mark.promise("no-secret-leaves")

ROOT = Path(__file__).parents[3]
PLACES = {
    "messages": "canary of a message",
    "other keys of the state": "canary of the state",
    "`configurable`": "canary of configurable",
    "`metadata`": "canary of metadata",
    "texts of exceptions": "canary of an exception",
    "the run's `context`": "canary of the context",
}


class State(TypedDict, total=False):
    messages: list[str]
    api_key: str


@dataclass
class Context:
    access_token: str


def answer(state: State, runtime: Runtime[Context]) -> State:
    assert runtime.context.access_token == PLACES["the run's `context`"]
    return {"messages": ["an answer"]}


def fail(state: State) -> State:
    raise ValueError(PLACES["texts of exceptions"])


def test_langgraphs_saver_stores_in_clear_what_the_documentation_says(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)
    graph = StateGraph(State, context_schema=Context)
    graph.add_node(answer)
    graph.add_node(fail)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", "fail")
    app = graph.compile(checkpointer=SqliteSaver(connection))
    with pytest.raises(ValueError, match="canary"):
        app.invoke(
            {"messages": [PLACES["messages"]], "api_key": PLACES["other keys of the state"]},
            {
                "configurable": {"thread_id": "1", "access_token": PLACES["`configurable`"]},
                "metadata": {"token": PLACES["`metadata`"]},
            },
            context=Context(PLACES["the run's `context`"]),
        )
    connection.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    page = (ROOT / "docs" / "conversations.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| (.+?) \| \*\*(in clear|not at all)\*\* \|", page, re.MULTILINE))
    found = {name for name, canary in PLACES.items() if canary.encode() in stored}
    assert documented == {name: "in clear" if name in found else "not at all" for name in PLACES}
