"""A graph with a tool that is an agent: whatever it is told, the agent in there does.

The obedient model hands the calls of the attack over to it. It has the same tools as the graph itself, each
of whose calls is decided about by itself, as `docs/library.md` says.
"""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition
from langgraph.runtime import Runtime

from benchmarks.injections.planned_call import PlannedCall
from idaas_agent import Identity, IdentityContext
from tools.approval_policy import READS

ASSISTANT: Final = "ask_assistant"
"""The name of the tool that is an agent."""


def delegated(of_attack: Sequence[PlannedCall]) -> PlannedCall:
    """The one call that hands `of_attack` over."""
    calls = [{"tool": planned.tool, "arguments": dict(planned.arguments)} for planned in of_attack]
    return PlannedCall(ASSISTANT, {"task": json.dumps(calls)})


def next_message(messages: Sequence[AnyMessage]) -> AIMessage:
    """What the agent in there says: the calls of its task one after another, each in a message of its own,
    whatever came of those before.
    """
    calls = json.loads(messages[0].text)
    made = sum(1 for message in messages if isinstance(message, ToolMessage))
    if made == len(calls):
        return AIMessage("Done.")
    planned = calls[made]
    call = tool_call(name=planned["tool"], args=planned["arguments"], id=f"call_{uuid.uuid4().hex}")
    return AIMessage("", tool_calls=[call])


async def graph_of(services: Path, identity: Identity, checkpointer: Any, model: Any) -> Any:
    """The graph with the tools of the file `services`."""
    tools = await identity.tools(services)

    async def obey(state: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [next_message(state["messages"])]}

    assistant = _agent(obey, identity.tool_node(tools)).compile()

    async def ask_assistant(task: str) -> str:
        """Has an assistant do a task."""
        state = await assistant.ainvoke({"messages": [("user", task)]})
        return str(state["messages"][-1].text)

    all_tools = [*tools, identity.govern(ask_assistant, policy=READS)]
    calling = model.bind_tools(all_tools)

    async def respond(state: MessagesState, runtime: Runtime[IdentityContext]) -> dict[str, list[AnyMessage]]:
        assert runtime.context.access_token is not None
        caller = await identity.verify(runtime.context.access_token)
        prompt = SystemMessage(f"You work for {caller.subject}.")
        return {"messages": [await calling.ainvoke([prompt, *state["messages"]])]}

    return _agent(respond, identity.tool_node(all_tools)).compile(checkpointer=checkpointer)


def _agent(respond: Any, tool_node: Any) -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(MessagesState, context_schema=IdentityContext)
    builder.add_node("respond", respond)
    builder.add_node("tools", tool_node)
    builder.add_edge(START, "respond")
    builder.add_conditional_edges("respond", tools_condition)
    builder.add_edge("tools", "respond")
    return builder


_MODULE: Final = '''"""The graph of one suite."""

from pathlib import Path
from typing import Any

from benchmarks.injections.delegating_graph import graph_of
from idaas_agent import Identity


async def graph(identity: Identity, checkpointer: Any, model: Any = None) -> Any:
    """What `GRAPH` names."""
    return await graph_of(Path({services!r}), identity, checkpointer, model)
'''


def graph_variable(folder: Path, services: Path) -> str:
    """The value of `GRAPH`, whose module is written into `folder`."""
    module = folder / "delegating.py"
    module.write_text(_MODULE.format(services=str(services)), encoding="utf-8")
    return f"{module}:graph"
