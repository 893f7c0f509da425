"""Admits the runs that clients create on LangGraph Server, whichever of its routes they use.

The server asks the auth handler (`agent.langgraph_server.authorization`) before it creates a run, and
continues with the same dictionary, which is changed here: to what a client may give to a run.
"""

import time
from collections.abc import MutableMapping, Sequence
from typing import Any

from agent.composition.agent import Agent
from agent.errors.error_response import RequestError
from agent.langgraph_server.admission.run_configuration import reserved_members
from agent.langgraph_server.admission.run_input import checked_input, without_tool_results
from graph.approvals.record import ApprovalState
from identity.principal import Principal


async def admit_run(agent: Agent, caller: Principal, run: MutableMapping[str, Any]) -> None:
    """Counts the run, checks it, and removes from it what only the server or the graph may give.

    Raises `LimitError`, `RequestError`, `ApprovalError`, and `UnavailableError` if approvals cannot be read.
    """
    await agent.request_rate.count(caller)
    arguments: MutableMapping[str, Any] = run.setdefault("kwargs", {})
    if reserved := reserved_members(arguments.get("config")):
        text = f"{reserved[0]} cannot be set by a client"
        raise RequestError("config", text, code="command_refused", status=403)
    thread_id = run.get("thread_id")
    command = arguments.get("command")
    approvals = [] if thread_id is None else await approvals_of(agent, caller, str(thread_id), command)
    checked = checked_input(arguments.get("input"), command, approvals, time.time())
    # The context of a run is the agent's: it names the thread of an approval, among others.
    arguments["context"] = {"kept": not arguments.get("temporary", False)}
    if checked.resume is not None:
        arguments["command"] = {"resume": checked.resume}
        return
    arguments["command"] = None
    arguments["input"] = checked.input if thread_id is None else without_tool_results(checked.input)


async def approvals_of(
    agent: Agent, caller: Principal, thread_id: str, answer: object = None
) -> Sequence[ApprovalState]:
    """The approvals of the caller that are open on a thread, or were when they expired.

    If there is none, for an `answer` the latest one: its state is why it cannot be answered.
    """
    if agent.approvals is None:
        return []
    opened = await agent.approvals.pending(caller, thread_id)
    if opened or not answer:
        return opened
    latest = await agent.approvals.latest(caller, thread_id)
    return [] if latest is None else [latest]
