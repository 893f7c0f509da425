"""The checks of the steps: audit log, an issued token, the model, the services and their tools.

Each does what the agent would do, and raises what the agent would raise.
"""

import json
import os
import shutil
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from langchain_core.messages import HumanMessage

from agent.commands.doctor.finding import Explanation, Finding, Outcome, failed, skipped
from agent.composition.agent import Agent
from agent.errors.error_codes import AgentCode
from agent.operations.audit.syslog import Syslog
from agent.settings.syslog_address import SyslogAddress
from agent.settings.variables.records import STANDARD_OUTPUT
from graph.tool_calls.tool_catalog import collisions
from identity.access_token.claims import read_claims
from identity.access_token.jws import parse_compact_jws, read_header
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, AgentError, AuditError, ConfigurationError, ServiceError
from identity.observation.failure import place_of
from identity.secrets.secret import Secret
from identity.signing_keys.jwks import Jwks
from identity.signing_keys.signing_key import SUPPORTED_ALGORITHMS
from tools.approval_policy import DEFAULT_POLICY, Effect
from tools.mcp_service.selection import ToolSelection
from tools.mcp_service.service import MCPService
from tools.service import Service, ToolSchema

_LEEWAY: Final = 30.0
_SHOWN: Final = 300
"""Characters of a description. `idaas-agent accept-tools` shows it whole."""


def check_writable(path: Path) -> None:
    """Raises `AuditError` with the system's reason. A file that is not there is made by the agent."""
    if path != STANDARD_OUTPUT and (problem := _write_problem(path)):
        raise AuditError(AgentCode.AUDIT_UNAVAILABLE, f'file "{path}": {problem}')


def check_syslog(url: str, cafile: Path | None) -> None:
    """Connects, and raises `AuditError` if that fails. UDP needs no connection: only the name is resolved."""
    syslog = Syslog(SyslogAddress.parse(url), lambda: ssl.create_default_context(cafile=cafile))
    try:
        syslog.append([])
    except OSError as error:
        raise AuditError(AgentCode.AUDIT_UNAVAILABLE, error.strerror or str(error)) from None
    finally:
        syslog.close()


def _write_problem(path: Path) -> str:
    folder = Path(os.path.realpath(path)).parent
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))  # no waiting for a pipe's reader
    except FileNotFoundError:
        if not os.access(folder, os.W_OK | os.X_OK):
            return "no file may be made in its folder"
    except OSError as error:
        return (error.strerror or "it cannot be opened").lower()
    return "" if shutil.disk_usage(folder).free else "no space left on device"


async def check_issued(
    token: Secret, *, issuer: str, keys: Jwks, clock: Callable[[], float], requested_at: float
) -> str:
    """The detail of the finding. `requested_at` is the time of the token request, by `clock`.

    Raises `AccessTokenError` for a wrong issuer, key or clock, as the verifier does for a user's token.
    """
    arrived_at = clock()
    try:
        jws = parse_compact_jws(token.reveal())
        header = read_header(jws.header, SUPPORTED_ALGORITHMS)
        claims = read_claims(jws.payload)
    except ValueError:
        return "the agent's own token is opaque, which leaves issuer, keys and clock unchecked"
    if claims.issuer != issuer:
        raise _invalid("iss", f'of what IDaaS issues must be "{issuer}"')
    if await keys.find(header.kid, header.algorithm) is None:
        raise AccessTokenError(
            IdentityCode.ACCESS_TOKEN_INVALID, 'header "kid" of what IDaaS issues names no key of the JWKS'
        )
    if claims.issued_at is not None:
        behind, ahead = claims.issued_at - arrived_at, requested_at - claims.issued_at
        if max(behind, ahead) > _LEEWAY:
            where = "future" if behind > ahead else "past"
            raise _invalid("iat", f"of what IDaaS issued now is {max(behind, ahead):.0f} s in the {where}")
    return "by the configured issuer, signed by a key of the JWKS, and the clocks agree"


def _invalid(claim: str, fault: str) -> AccessTokenError:
    return AccessTokenError(IdentityCode.ACCESS_TOKEN_INVALID, f'claim "{claim}" {fault}')


async def ask_model(agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Sends one message to the model; the detail of the finding. Raises `AgentError`."""
    key = await agent.model_key(caller)
    await agent.model.complete([HumanMessage("Answer with the word: ready")], [], api_key=key)
    return f"the model {agent.settings.llm_model} works"


async def use_service(service: Service, agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Lists the tools, and calls one that needs no argument and is declared as reading.

    Raises `AgentError`; for an exception of the service's own code, `ServiceError` with its type and place.
    """
    access = agent.access(service.name, caller)
    try:
        tools = await service.tools(access)
        if (tool := _harmless(service, tools)) is not None:
            await service.call(tool, {}, access)
            return f"the tool {tool} works"
    except (AgentError, TimeoutError):
        raise
    except Exception as fault:  # noqa: BLE001 - code of others; its text may contain anything
        detail = f'"{service.name}" raised {type(fault).__name__} at {place_of(fault)}'
        raise ServiceError(service.error_code, detail) from None
    return f"{len(tools)} tools; none was called: no tool without arguments is declared as reading"


def _harmless(service: Service, tools: Sequence[ToolSchema]) -> str | None:
    """The first tool that needs no argument and is declared, by code or operator, as reading."""
    for tool in tools:
        policy = service.policy(tool.name)
        declared = policy is not DEFAULT_POLICY and policy.effect is Effect.READ
        if declared and not tool.parameters.get("required"):
            return tool.name
    return None


async def compare_metadata(service: MCPService, audience: str, issuer: str) -> str:
    """Whether the server names, as a protected resource (RFC 9728), what the agent's access token for it is
    issued by and for. Raises `ServiceError`.
    """
    if (found := await service.metadata()) is None:
        return "the server has no metadata (RFC 9728)"
    named, servers = found.get("resource"), found.get("authorization_servers")
    faults = []
    if named != audience:
        faults.append(f'resource must be "{audience}", found {json.dumps(named)[:_SHOWN]}')
    if not isinstance(servers, list) or issuer not in servers:
        faults.append(f'authorization_servers must contain "{issuer}", found {json.dumps(servers)[:_SHOWN]}')
    if faults:
        detail = f'the metadata of "{service.name}": {"; ".join(faults)}'
        raise ServiceError(service.error_code, detail, settings=service.settings)
    return "it names the issuer and the audience of the access token"


def names_of_tools(services: Sequence[Service], listed: Sequence[Sequence[ToolSchema]]) -> Finding:
    """Whether two of the services have a tool of one name."""
    step = "names of tools"
    if not any(listed):
        return skipped(step, "no service could list its tools")
    faults = [str(each) for each in collisions(services, listed).values()]
    if not faults:
        return Finding(step, Outcome.OK, "no two services have a tool of one name")
    error = ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, faults)
    return failed(step, error, Explanation.found("same_tool_name"))


def tools_of_server(selection: ToolSelection) -> Finding:
    """Whether an MCP server lists the tools that were accepted."""
    step = f"tools of {selection.service}"
    if selection.trusted:
        return Finding(step, Outcome.OK, "the server is trusted: what it changes is used")
    if selection.fault is not None:
        error = ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, [str(selection.fault)])
        return failed(step, error, Explanation.found("no_accepted_tools"))
    if selection.is_first:
        return Finding(step, Outcome.OK, "not accepted yet: the agent accepts what the server lists first")
    if not selection.unaccepted:
        return Finding(step, Outcome.OK, "as they were accepted")
    changes = []
    for name, each in selection.unaccepted.items():
        description = each.tool.schema.description
        shown = description if len(description) <= _SHOWN else f"{description[:_SHOWN]}…"
        changes.append(f'"{name}" is withheld, because {each.reason}: {shown}')
    error = ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, changes)
    return failed(step, error, Explanation.found("tools_changed", service=selection.service))
