"""Whether the tools that services list are offered to the model."""

from collections.abc import Sequence
from typing import Final

from agent.commands.doctor.finding import Explanation, Finding, Outcome, failed, skipped
from agent.errors.error_codes import AgentCode
from graph.tool_calls.tool_catalog import collisions
from identity.errors import ConfigurationError
from tools.mcp_service.selection import ToolSelection
from tools.service import Service, ToolSchema

_SHOWN: Final = 300
"""Characters of a description. `idaas-agent accept-tools` shows it whole."""


def names_of_tools(services: Sequence[Service], listed: Sequence[Sequence[ToolSchema]]) -> Finding:
    """Whether two of the services have a tool of one name."""
    step = "names of tools"
    if not any(listed):
        return skipped(step, "no service could list its tools")
    faults = [str(each) for each in collisions(services, listed).values()]
    if not faults:
        return Finding(step, Outcome.OK, "no two services have a tool of one name")
    remedy = "set prefix of one of the services in SERVICES_FILE (docs/extending.md)"
    why = Explanation("same_tool_name", "tools of several services have one name", remedy)
    return failed(step, ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, faults), why)


def tools_of_server(selection: ToolSelection) -> Finding:
    """Whether what an MCP server has listed is what was accepted."""
    step = f"tools of {selection.service}"
    if selection.trusted:
        return Finding(step, Outcome.OK, "the server is trusted: what it changes is used")
    if selection.fault is not None:
        remedy = (
            "correct ACCEPTED_TOOLS_FILE, or restore the file: until then no tool of the server is offered"
        )
        why = Explanation("no_accepted_tools", "it is not known what is accepted", remedy)
        return failed(step, ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, [str(selection.fault)]), why)
    if selection.is_first:
        return Finding(step, Outcome.OK, "not accepted yet: the agent accepts what the server lists first")
    if not selection.unaccepted:
        return Finding(step, Outcome.OK, "as they were accepted")
    changes = []
    for name, each in selection.unaccepted.items():
        description = each.tool.schema.description
        shown = description if len(description) <= _SHOWN else f"{description[:_SHOWN]}…"
        changes.append(f'"{name}" is withheld, because {each.reason}: {shown}')
    remedy = f"idaas-agent accept-tools {selection.service} shows the tools whole, and accepts them"
    why = Explanation("tools_changed", "the server has changed its tools since they were accepted", remedy)
    return failed(step, ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, changes), why)
