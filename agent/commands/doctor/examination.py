"""The checks of `doctor`: everything that a request needs, in the order in which a request needs it.

Each step does what the agent would do, by the same code, and raises what it would raise. A step whose
precondition failed is skipped, so that every reported failure has a cause of its own.
"""

import asyncio
import json
import os
import shutil
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from langchain_core.messages import HumanMessage

from agent.commands.doctor.causes import instance_difference, obstacle, origin_of
from agent.commands.doctor.finding import Explanation, Finding, failed, skipped
from agent.composition.agent import Agent
from agent.composition.app_graph import services_of_app
from agent.composition.installed_policies import check_policies
from agent.errors.error_codes import AgentCode
from agent.settings.settings import TOKEN_VARIABLE, Settings, read_settings
from graph.error_codes import GraphCode
from graph.tool_calls.tool_catalog import collisions
from identity.access_token.claims import read_claims
from identity.access_token.jws import parse_compact_jws, read_header
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import (
    AccessTokenRequirement,
    Credential,
    CredentialRequirement,
    IssuerRequirement,
)
from identity.error_codes import IdentityCode
from identity.errors import (
    AccessTokenError,
    AgentError,
    AuditError,
    ConfigurationError,
    ErrorCode,
    InternalError,
    ServiceError,
    UnreachableError,
)
from identity.idaas.client import PAM_TOKEN
from identity.observation.failure import place_of
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.settings.variables import STANDARD_OUTPUT
from identity.signing_keys.jwks import Jwks
from identity.signing_keys.signing_key import SUPPORTED_ALGORITHMS
from tools.approval_policy import CLAIM, DEFAULT_POLICY, Effect
from tools.mcp_service.selection import ToolSelection
from tools.mcp_service.service import MCPService
from tools.service import Access, Service, ToolSchema

AccessOf: TypeAlias = Callable[[str, VerifiedAccessToken | None], Access]
"""The access of a caller to the service of that name."""

_LEEWAY: Final = 30.0
_SHOWN: Final = 300
"""Characters of a description. `idaas-agent accept-tools` shows it whole."""


def check_writable(path: Path) -> None:
    """Raises `AuditError` with the system's reason. A file that is not there is made by the agent."""
    if path == STANDARD_OUTPUT:
        return
    folder = Path(os.path.realpath(path)).parent
    problem = ""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))  # no waiting for a pipe's reader
    except FileNotFoundError:
        if not os.access(folder, os.W_OK | os.X_OK):
            problem = "no file may be made in its folder"
    except OSError as error:
        problem = (error.strerror or "it cannot be opened").lower()
    if problem or not shutil.disk_usage(folder).free:
        detail = f'file "{path}": {problem or "no space left on device"}'
        raise AuditError(IdentityCode.AUDIT_UNAVAILABLE, detail)


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
        behind = claims.issued_at - arrived_at
        ahead = requested_at - claims.issued_at
        if max(behind, ahead) > _LEEWAY:
            where = "future" if behind > ahead else "past"
            raise _invalid("iat", f"of what IDaaS issued now is {max(behind, ahead):.0f} s in the {where}")
    return "by the configured issuer, signed by a key of the JWKS, and the clocks agree"


def _invalid(claim: str, fault: str) -> AccessTokenError:
    return AccessTokenError(IdentityCode.ACCESS_TOKEN_INVALID, f'claim "{claim}" {fault}')


def page_finding(page: str, admitted: Sequence[str]) -> Finding:
    """Whether a browser lets the page at this address call the agent: its origin is compared whole."""
    address = urlsplit(page)
    origin = f"{address.scheme}://{address.netloc}".lower()
    if origin in admitted:
        return Finding("page", "ok", f"pages of {origin} may call the agent")
    fault = f"CORS_ALLOWED_ORIGINS does not list {origin}"
    error = ConfigurationError(IdentityCode.SETTINGS_INVALID, [fault])
    return failed("page", error, Explanation.found("origin_not_listed", origin=origin))


async def ask_model(agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Sends one message to the model; the detail of the finding. Raises `AgentError`."""
    key = await agent.model_key(caller)
    await agent.model.complete([HumanMessage("Answer with the word: ready")], [], api_key=key)
    return f"the model {agent.settings.llm_model} works"


async def use_service(service: Service, access_of: Callable[[Service], Access]) -> str:
    """Lists the tools, and calls one that needs no argument and is declared as reading.

    Raises `AgentError`; for an exception of the service's own code, `ServiceError` with its type and place.
    """
    access = access_of(service)
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
    metadata = await service.metadata()
    if metadata is None:
        return "the server has no metadata (RFC 9728)"
    named = metadata.get("resource")
    servers = metadata.get("authorization_servers")
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
    faults = [str(collision) for collision in collisions(services, listed).values()]
    if not faults:
        return Finding(step, "ok", "no two services have a tool of one name")
    error = ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, faults)
    return failed(step, error, Explanation.found("same_tool_name"))


def tools_of_server(selection: ToolSelection) -> Finding:
    """Whether an MCP server lists the tools that were accepted."""
    step = f"tools of {selection.service}"
    if selection.trusted:
        return Finding(step, "ok", "the server is trusted: what it changes is used")
    if selection.fault is not None:
        error = ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, [str(selection.fault)])
        return failed(step, error, Explanation.found("no_accepted_tools"))
    if selection.is_first:
        return Finding(step, "ok", "not accepted yet: the agent accepts what the server lists first")
    if not selection.unaccepted:
        return Finding(step, "ok", "as they were accepted")
    changes = []
    for name, withheld in selection.unaccepted.items():
        description = withheld.tool.schema.description
        if len(description) > _SHOWN:
            description = f"{description[:_SHOWN]}…"
        changes.append(f'"{name}" is withheld, because {withheld.reason}: {description}')
    error = ConfigurationError(AgentCode.TOOLS_NOT_OFFERED, changes)
    return failed(step, error, Explanation.found("tools_changed", service=selection.service))


_KEYS: Final = "signing keys"
_OWN_TOKEN: Final = "agent's own token"  # noqa: S105 - a step's name
USERS_TOKEN: Final = "user's access token"  # noqa: S105 - a step's name
_STEP_SECONDS: Final = 60.0
_HOW_TO_GET_A_TOKEN: Final = (
    f"set {TOKEN_VARIABLE} to the access token of a signed-in user (in the sandbox: idaas-agent token)"
)


async def diagnose(
    environment: Mapping[str, str],
    user_token: Secret | None,
    *,
    page: str | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncGenerator[Finding, None]:
    """Yields the findings in order. Steps that need a user are skipped without `user_token`. `page` is the
    address at which people open the page.
    """
    try:
        settings = read_settings(environment, clock=clock)
        agent = Agent(settings, clock=clock, accepts_tools=False)
    except ConfigurationError as error:
        yield failed("configuration", error)
        return
    idaas = settings.idaas
    identity = f"agent {idaas.client_id} of {idaas.issuer}, in {settings.access_identity} identity"
    yield Finding("configuration", "ok", identity)
    if page is not None:
        yield page_finding(page, settings.cors_allowed_origins)
    async with aclosing(agent), aclosing(Examination(agent, user_token, clock).findings()) as findings:
        async for finding in findings:
            yield finding


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Its detail is the text that `work` returns, or else `found`.

    `needs` are earlier steps, each with the reason why this one is skipped if that one has not succeeded.
    `part` is what is checked: `idaas`, `model` or a service's name. `late` is the code of the error if it
    takes too long.
    """

    name: str
    work: Callable[[], Awaitable[object]]
    detail: str = ""
    needs: Mapping[str, str] = field(default_factory=dict)
    part: str = "idaas"
    late: ErrorCode = IdentityCode.IDAAS_UNREACHABLE


class Examination:
    """One examination of one agent."""

    def __init__(self, agent: Agent, user_token: Secret | None, clock: Callable[[], float]) -> None:
        self._agent = agent
        self._user_token = user_token
        self._clock = clock
        self.caller: VerifiedAccessToken | None = None
        """The bearer of the user's token, once it is verified."""
        self._issued: Credential | None = None
        self._succeeded: set[str] = set()
        self._services: list[Service] = [*agent.services]
        self._requirements = {**agent.requirements}
        self._access: dict[str, AccessOf] = dict.fromkeys(self._requirements, agent.access)
        """The agent's, and those of the graph of an application, once it is made."""

    async def findings(self) -> AsyncGenerator[Finding, None]:
        """Every step, executed or skipped."""
        for step in self._steps():
            if isinstance(step, Finding):
                yield step
            elif why := next((why for name, why in step.needs.items() if name not in self._succeeded), None):
                yield skipped(step.name, why)
            else:
                finding = await self._finding(step)
                if finding.outcome == "ok":
                    self._succeeded.add(step.name)
                yield finding

    def _steps(self) -> Iterator[Step | Finding]:
        """In the order in which a request needs them. The next one is chosen when those before are done."""
        agent = self._agent
        identity = self._agent.settings.idaas
        yield from self._stores()
        detail = f"from {agent.settings.jwks_url}"
        yield Step(_KEYS, agent.jwks.load, detail, late=IdentityCode.JWKS_UNAVAILABLE)
        yield Step("client credential", identity.client_authentication.inspect)
        requested_at = self._clock()
        missing = {"client credential": "the client credential could not be obtained"}
        yield Step(_OWN_TOKEN, self._obtain_own_token, needs=missing)
        if self._issued is not None and _KEYS in self._succeeded:
            check = partial(check_issued, self._issued.secret, issuer=identity.issuer, keys=agent.jwks)
            yield Step("what IDaaS issues", partial(check, clock=self._clock, requested_at=requested_at))
        if self._user_token is None:
            yield skipped(USERS_TOKEN, "no token was given", _HOW_TO_GET_A_TOKEN)
        else:
            verified = "its signature, issuer, audience, lifetime and scope are right"
            missing = {_KEYS: "it cannot be verified without the signing keys"}
            yield Step(USERS_TOKEN, partial(self._verify, self._user_token), verified, missing)
        if agent.policies:
            decides = partial(check_policies, agent.policies)
            yield Step("policy", decides, "it decides", late=AgentCode.POLICY_UNAVAILABLE)
        if self.caller and self.caller.signed_in_at is None:
            rules = [rule for policy in agent.policies for rule in policy.sign_in_rules]
            for rule in rules:
                denies = f'the token has no "auth_time": {rule} denies the calls it names'
                yield skipped("recent sign-in", denies, "let IDaaS put auth_time into access tokens")
        for name in missing_approver_claims(agent.settings):
            lacks = f'no one can approve, because the claim "{name}" is not read'
            yield skipped("approvers", lacks, f"add {name} to CALLER_CLAIMS")
        if agent.app is not None:
            yield Step("graph", self._open_graph, late=AgentCode.INTERNAL_ERROR)
        for name in agent.identity.issuers.names:
            checked = partial(agent.identity.issuers.check, name)
            right = "its table is right; a credential shows more"
            yield Step(f"issuer {name}", checked, right, late=IdentityCode.ISSUER_UNREACHABLE)
        for name, required in self._requirements.items():
            missing = _needs_of_issuers(required.credential)
            if required.access_identity is AccessIdentity.HUMAN:
                missing |= {USERS_TOKEN: "it needs the access token of a user (see above)"}
            detail = f"obtained as {required.access_identity}"
            obtain = partial(agent.broker.obtain, required.credential, required.access_identity, self.caller)
            yield Step(f"credential of {name}", obtain, detail, missing, name)
        asked = partial(ask_model, agent, self.caller)
        yield Step("model", asked, "", self._credential_of("model"), "model", GraphCode.MODEL_CALL_FAILED)
        ready = []
        for service in self._services:
            needs = self._credential_of(service.name)
            step = f"service {service.name}"
            token = service.credential
            if isinstance(service, MCPService) and isinstance(token, AccessTokenRequirement):
                compared = partial(compare_metadata, service, token.audience or "", identity.issuer)
                yield Step(f"metadata of {service.name}", compared, "", {}, service.name, service.error_code)
            used = partial(use_service, service, self._access_of)
            yield Step(step, used, "", needs, service.name, service.error_code)
            if self._succeeded.issuperset(needs):
                ready.append(service)
            if isinstance(service, MCPService) and step in self._succeeded:
                yield tools_of_server(service.selection)
        listed = [service.cached_tools(self._access_of(service)) or () for service in ready]
        yield names_of_tools(ready, listed)

    def _stores(self) -> Iterator[Step | Finding]:
        """The audit log, Redis and the database. Revocations are read, so that the user's token is verified
        as the agent would.
        """
        agent = self._agent
        settings = self._agent.settings
        if (file := settings.audit_log_file) is None:
            unset = "AUDIT_LOG_FILE is not set: records go to the log only"
            yield skipped("audit log", unset, "set AUDIT_LOG_FILE to a file")
        else:
            written = partial(asyncio.to_thread, check_writable, file)
            yield Step("audit log", written, f"{file} can be written")
        stores = []
        if agent.redis is not None:
            stores.append(Step("shared counters", agent.redis.check))
        if agent.kept is not None:
            late = AgentCode.CONVERSATIONS_UNAVAILABLE
            stores.append(Step("conversations", agent.kept.storage.check, late=late))
        yield from stores
        if agent.kept is None:
            yield skipped("conversations", "CONVERSATIONS_URL is none: they are not stored")
        needs = {store.name: "what failed above may have them" for store in stores}
        yield Step("revocations", self._read_revocations, "they can be read", needs)

    def _credential_of(self, name: str) -> Mapping[str, str]:
        """The results that a step needs which calls `name`."""
        needs = {f"credential of {name}": "it cannot be called without its credential"}
        return needs if name in self._requirements else {}

    def _access_of(self, service: Service) -> Access:
        return self._access.get(service.name, self._agent.access)(service.name, self.caller)

    async def _open_graph(self) -> str:
        """Makes the graph of an application, and learns what it calls. Raises `ConfigurationError`."""
        graph = self._agent.app
        assert graph is not None  # noqa: S101 - else there is no such step
        await self._agent.open_graph()
        for service, calls in await services_of_app(graph):
            self._services.append(service)
            self._access[service.name] = calls.access
            if (required := calls.requirement(service.name)) is not None:
                self._requirements[service.name] = required
        return f"governed tools: {len(graph.app.tools)}, services that they call: {len(self._services)}"

    async def _read_revocations(self) -> None:
        await self._agent.revocation.start()
        await self._agent.revocation.check()

    async def _obtain_own_token(self) -> str:
        """Whether IDaaS accepts the agent's client credential."""
        try:
            self._issued = await self._agent.broker.obtain(PAM_TOKEN, AccessIdentity.MACHINE, None)
        except AgentError as error:
            required = self._requirements.values()
            is_human = all(requirement.access_identity is AccessIdentity.HUMAN for requirement in required)
            if error.code is IdentityCode.MACHINE_TOKEN_FAILED and is_human:
                return "IDaaS knows the agent and grants it no token of its own; Human identity needs none"
            raise
        return "issued by IDaaS"

    async def _verify(self, token: Secret) -> None:
        self.caller = await self._agent.verifier.verify(token)

    async def _finding(self, step: Step) -> Finding:
        error: AgentError
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                result = await step.work()
            detail = result if isinstance(result, str) else step.detail
            return Finding(step.name, "ok", detail)
        except AgentError as failure:
            error = failure
        except TimeoutError:
            error = UnreachableError(step.late, f"no response within {_STEP_SECONDS:g} s")
        except Exception as fault:  # noqa: BLE001 - its text may contain anything, so only type and place are shown
            detail = f"raised {type(fault).__name__} at {place_of(fault)}"
            error = InternalError(AgentCode.INTERNAL_ERROR, detail)
        for service in self._services:
            if service.name == step.part:
                error = error.of(service.name, service.settings)
        return failed(step.name, error, await self._why(step.part, error))

    async def _why(self, part: str, error: AgentError) -> Explanation | None:
        """Checks the connection first: an unreachable address explains every other symptom."""
        origin = origin_of(self._agent.settings, self._services, part, error)
        if origin.url:
            tls = ssl.create_default_context(cafile=self._agent.settings.ssl_cert_file)
            if barred := await obstacle(origin.url, origin.url_setting, tls):
                return barred
        if error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED and "OpenAPI" not in error.detail:
            agent = self._agent
            if difference := await instance_difference(agent.settings, agent.http, self._clock):
                return difference
        return Explanation.by_rule(error, service=part, **asdict(origin))


def _needs_of_issuers(requirement: CredentialRequirement) -> dict[str, str]:
    """The steps that must succeed before the credential can be issued, with the reasons."""
    needs: dict[str, str] = {}
    for part in requirement.parts:
        if isinstance(part, IssuerRequirement):
            needs[f"issuer {part.issuer}"] = f'it needs the issuer "{part.issuer}" (see above)'
        else:
            needs[_OWN_TOKEN] = "it needs the agent's own token, which was not issued"
    return needs


def missing_approver_claims(settings: Settings) -> list[str]:
    """The claims that policies of SERVICES_FILE with `approvers` need, and that the agent does not read."""
    needed = set()
    for service in settings.services.values():
        for policy in service.policies.values():
            approvers = policy.approvers or ""
            if approvers.startswith(CLAIM):
                needed.add(approvers.removeprefix(CLAIM))
            elif approvers:
                needed.add(settings.policy_groups_claim)
    return sorted(needed - {*settings.caller_claims.split()})
