"""The lines of the README that add identity to an application, as printed."""

import re
import textwrap
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from tests.leave_application import LEAVE
from tests.library.called_app import ScriptedChat, call
from tests.library.test_examples import signed_in as signed_in  # a fixture

ROOT = Path(__file__).parents[2]


def door(page: str) -> str:
    """The block of the page that adds identity to an application."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    [block] = [block for block in blocks if "Identity.from_env()" in block]
    return str(block)


async def run_of_the_door(token: str, saver: InMemorySaver | None) -> Any:
    """The state of a run that applies for leave in the application of the README's lines."""
    turns = [AIMessage("", tool_calls=[call("leave_apply", "call_1", **LEAVE)]), AIMessage("Done.")]
    names: dict[str, Any] = {
        "create_agent": create_agent,
        "model": ScriptedChat(turns=turns),
        "saver": saver,
        "question": {"messages": [("user", "Apply for leave.")]},
        "config": {"configurable": {"thread_id": "one"}},
        "token": token,
    }
    lines = door("README.md").replace("await agent.ainvoke", "return await agent.ainvoke")
    exec("async def application():\n" + textwrap.indent(lines, "    "), names)  # noqa: S102 - the README's
    return await names["application"]()


def test_it_has_at_most_six_lines_which_both_languages_print():
    lines = [line for line in door("README.md").splitlines() if line]
    assert len(lines) <= 7  # the import, and six lines
    assert door("README.md") == door("docs/zh/README.md")


async def test_its_application_asks_before_it_writes(signed_in, sandbox):
    state = await run_of_the_door(sandbox.access_token("alice"), InMemorySaver())
    [interrupt] = state["__interrupt__"]
    assert "leave_apply" in str(interrupt.value)


async def test_without_a_checkpointer_its_application_writes_nothing(signed_in, sandbox):
    state = await run_of_the_door(sandbox.access_token("alice"), None)
    [result] = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert result.status == "error"
