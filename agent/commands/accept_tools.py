"""`idaas-agent accept-tools`: shows what an MCP server has changed in its tools, and accepts it."""

import asyncio
import hashlib
import ssl
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.help_panels import DECIDE, listed_in
from agent.commands.terminal import ENV_FILE, operator_settings, out, stop, stop_by, users_token
from agent.settings.settings import Settings
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError
from identity.printable import printable_json
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.mcp_service.selection import ToolSelection, UnacceptedTool


@listed_in(DECIDE)
def accept_tools(
    service: Annotated[str, typer.Argument(help="An MCP server: amap, or one of SERVICES_FILE.")],
    digest: Annotated[
        str | None, typer.Argument(help="Accepts the changes that this command has shown with it.")
    ] = None,
    env_file: ENV_FILE = None,
) -> None:
    """Shows the tools of an MCP server that are not accepted, whole, and a digest with which they are.

    Running agents use them within five minutes. In Human identity, set IDAAS_AGENT_ACCESS_TOKEN to the access
    token of a user, for whom the server lists its tools.
    """
    from tools.mcp_service.accepted_tools import AcceptedToolsError

    settings = operator_settings(env_file)
    try:
        selection = asyncio.run(_selection(settings, service))
    except AgentError as error:
        stop_by(error)
    if selection is None:
        stop(f'there is no MCP server "{service}"', "it is amap, or a name of SERVICES_FILE")
    if selection.fault is not None:
        stop(str(selection.fault), "correct ACCEPTED_TOOLS_FILE, or restore the file")
    unaccepted = selection.unaccepted
    if not unaccepted:
        out.print(f'all that "{service}" lists is accepted')
        return
    expected = _digest(unaccepted)
    if digest is None:
        out.print(_shown(unaccepted))
        out.print(f"to accept them: idaas-agent accept-tools {service} {expected}")
    elif digest != expected:
        stop(f'what "{service}" lists now is not what was shown', "show it again, without the digest")
    else:
        try:
            selection.accept()
        except AcceptedToolsError as error:
            stop(str(error), "run the command where ACCEPTED_TOOLS_FILE can be written")
        out.print(f'accepted {len(unaccepted)} tools of "{service}"; running agents use them within minutes')


async def _selection(settings: Settings, name: str) -> "ToolSelection | None":
    """The selection of the service after it has listed its tools. Raises `AgentError`."""
    from agent.composition.service_parts import ServiceParts
    from tools.mcp_service.service import MCPService

    token = users_token()
    tls = ssl.create_default_context(cafile=settings.ssl_cert_file)
    async with aclosing(ServiceParts(settings, tls)) as calls:
        caller: VerifiedAccessToken | None = None
        if token:
            caller = await calls.identity.verifier.verify(Secret(token))
        for service in calls.services:
            if isinstance(service, MCPService) and service.name == name:
                await service.tools(calls.access(name, caller))
                return service.selection
        return None


def _shown(unaccepted: "Mapping[str, UnacceptedTool]") -> str:
    tools = [
        {
            "tool": name,
            "because": withheld.reason,
            "description": withheld.tool.schema.description,
            "parameters": withheld.tool.schema.parameters,
        }
        for name, withheld in sorted(unaccepted.items())
    ]
    return printable_json(tools)


def _digest(unaccepted: "Mapping[str, UnacceptedTool]") -> str:
    """A digest of the tools as they were shown: no other tools are accepted with it."""
    parts = [
        f"{name} {withheld.tool.digest.description} {withheld.tool.digest.parameters}"
        for name, withheld in unaccepted.items()
    ]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]
