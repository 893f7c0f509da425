"""A deep agent with a sub-agent, whose model is scripted, and what it calls."""

from typing import Any

from deepagents import create_deep_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from idaas_agent.library.middleware import IdentityMiddleware
from idaas_agent.library.tools import tools_of
from tests.library.called_app import Bank, CalledApp, Context, MemoryIdentity, ScriptedChat, call, pay
from tools.approval_policy import Effect, ToolPolicy

TASK = call("task", "call_1", description="Pay.", subagent_type="payer")
POLICIES = {"task": ToolPolicy(Effect.READ)}


def says(*calls: Any) -> AIMessage:
    """A response with calls, or the last one."""
    return AIMessage("" if calls else "done", tool_calls=list(calls))


PAYS = [says(TASK), says(call("balance", "call_1"), pay(10, "call_2")), says(), says()]
"""The agent gives the task, and the sub-agent pays."""


async def deep_app(
    bank: Bank, *, turns: Any = PAYS, name: str = "payer", with_middleware: bool = True, runnable: Any = None
) -> CalledApp:
    """A deep agent whose sub-agent has the tools of `bank`; `runnable` makes it of them."""
    identity = MemoryIdentity()
    tools = await tools_of(identity, [bank])
    model = ScriptedChat(turns=turns)
    decides = [IdentityMiddleware(identity, POLICIES, shared_threads=False)] if with_middleware else []
    payer: dict[str, Any] = {"name": name, "description": "Pays."}
    if runnable is None:
        payer |= {"system_prompt": "You pay.", "tools": tools, "middleware": decides}
    else:
        payer["runnable"] = runnable(model, tools)
    agent = create_deep_agent(
        model,
        [],
        subagents=[payer],  # type: ignore[list-item]  # of either form
        middleware=decides,
        context_schema=Context,
        checkpointer=InMemorySaver(),
    )
    return CalledApp(identity, agent)
