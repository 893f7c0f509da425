"""The checks of `doctor`: everything that a request needs, in the order in which a request needs it.

Each step uses the same code as the agent. A step whose precondition failed is skipped, so that every reported
failure has a cause of its own.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.commands.doctor.causes import explanation, instance_difference, obstacle, origin_of
from agent.commands.doctor.checks import (
    ask_model,
    check_issued,
    check_redis,
    check_syslog,
    check_writable,
    names_of_tools,
    tools_of_server,
    use_service,
)
from agent.commands.doctor.finding import Explanation, Finding, Outcome, failed, skipped
from agent.composition.agent import Agent
from agent.errors.error_codes import AgentCode
from agent.settings.settings import TOKEN_VARIABLE, read_settings
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.credential import Credential
from identity.credentials.requirement import CredentialRequirement
from identity.error_codes import IdentityCode
from identity.errors import AgentError, ConfigurationError, ErrorCode, InternalError, UnreachableError
from identity.idaas.client import PAM_TOKEN
from identity.observation.failure import place_of
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.mcp_service.service import MCPService

_OWN_TOKEN: Final = "agent's own token"  # noqa: S105 - a step's name
_STEP_SECONDS: Final = 60.0
_HOW_TO_GET_A_TOKEN: Final = (
    f"set {TOKEN_VARIABLE} to the access token of a signed-in user (in the sandbox: idaas-agent token)"
)


async def diagnose(
    environment: Mapping[str, str], user_token: Secret | None, *, clock: Callable[[], float] = time.time
) -> AsyncGenerator[Finding, None]:
    """Yields the findings in order. Steps that need a user are skipped without `user_token`."""
    try:
        settings = read_settings(environment, clock=clock)
    except ConfigurationError as error:
        yield failed("configuration", error)
        return
    idaas = settings.idaas
    found = f"agent {idaas.client_id} of {idaas.issuer}, in {settings.access_identity} identity"
    yield Finding("configuration", Outcome.OK, found)
    agent = Agent(settings, clock=clock, accepts_tools=False)
    try:
        async with aclosing(Examination(agent, user_token, clock).findings()) as findings:
            async for finding in findings:
                yield finding
    finally:
        await agent.aclose()


@dataclass(frozen=True, slots=True)
class _Step:
    """A step's name; the part that it checks (`idaas` or a service's name); the code of its timeout."""

    name: str
    part: str = "idaas"
    late: ErrorCode = IdentityCode.IDAAS_UNREACHABLE


class Examination:
    """One examination of one agent."""

    def __init__(self, agent: Agent, user_token: Secret | None, clock: Callable[[], float]) -> None:
        self._agent = agent
        self._user_token = user_token
        self._clock = clock
        self._caller: VerifiedAccessToken | None = None

    async def findings(self) -> AsyncGenerator[Finding, None]:
        """Every step, executed or skipped."""
        agent = self._agent
        yield await self._audit_log()
        if agent.settings.audit_syslog_url is not None:
            yield await self._audit_syslog(agent.settings.audit_syslog_url)
        shared = None
        if agent.settings.redis_url is not None:
            shared = await self._shared_counters(agent.settings.redis_url)
            yield shared
        conversations = await self._conversations()
        yield conversations
        yield await self._revocations(shared, conversations)
        keys = await self._step(
            _Step("signing keys", late=IdentityCode.JWKS_UNAVAILABLE),
            agent.jwks.load(),
            f"from {agent.settings.jwks_url}",
        )
        yield keys
        credential = await self._step(
            _Step("client credential"), agent.settings.idaas.client_authentication.inspect()
        )
        yield credential
        own = [skipped(_OWN_TOKEN, "the client credential could not be obtained")]
        if credential.outcome is Outcome.OK:
            own = await self._own_token(keys_loaded=keys.outcome is Outcome.OK)
        for finding in own:
            yield finding
        yield await self._users_token(keys_loaded=keys.outcome is Outcome.OK)
        known = own[0].outcome is Outcome.OK
        obtained: set[str] = set()
        for name, required in agent.requirements.items():
            finding = await self._credential(
                name, required.credential, required.access_identity, client_known=known
            )
            obtained |= {name} if finding.outcome is Outcome.OK else set()
            yield finding
        model = _Step("model", "model", GraphCode.MODEL_CALL_FAILED)
        yield await self._use(model, partial(ask_model, agent, self._caller), ready="model" in obtained)
        ready = [each for each in agent.services if each.name in obtained or each.credential is None]
        for service in agent.services:
            step = _Step(f"service {service.name}", service.name, service.error_code)
            work = partial(use_service, service, agent, self._caller)
            finding = await self._use(step, work, ready=service in ready)
            yield finding
            if isinstance(service, MCPService) and finding.outcome is Outcome.OK:
                yield tools_of_server(service.selection)
        listed = [each.cached_tools(agent.access(each.name, self._caller)) or () for each in ready]
        yield names_of_tools(ready, listed)

    async def _audit_log(self) -> Finding:
        path = self._agent.settings.audit_log_file
        if path is None:
            return skipped(
                "audit log",
                "AUDIT_LOG_FILE is not set: records go to the log only",
                "set AUDIT_LOG_FILE to a file",
            )
        checked = asyncio.to_thread(check_writable, path)
        return await self._step(_Step("audit log"), checked, f"{path} can be written")

    async def _audit_syslog(self, url: str) -> Finding:
        checked = asyncio.to_thread(check_syslog, url, self._agent.settings.ssl_cert_file)
        return await self._step(_Step("audit syslog"), checked, f"connected to {url}")

    async def _shared_counters(self, url: Secret) -> Finding:
        cafile = self._agent.settings.ssl_cert_file
        checked = check_redis(url, None if cafile is None else str(cafile))
        return await self._step(_Step("shared counters"), checked, "the Redis of REDIS_URL responds")

    async def _revocations(self, shared: Finding | None, conversations: Finding) -> Finding:
        """Reads them, so that the user's token is verified as the agent would."""
        if Outcome.FAILED in (conversations.outcome, None if shared is None else shared.outcome):
            return skipped("revocations", "what failed above may have them")

        async def read() -> None:
            await self._agent.revocation.start()
            await self._agent.revocation.check()

        return await self._step(_Step("revocations"), read(), "they can be read")

    async def _conversations(self) -> Finding:
        storage = self._agent.conversation_storage
        if storage is None:
            return skipped("conversations", "CONVERSATIONS_URL is none: they are not stored")
        late = AgentCode.CONVERSATIONS_UNAVAILABLE
        return await self._step(_Step("conversations", late=late), storage.check())

    async def _own_token(self, *, keys_loaded: bool) -> list[Finding]:
        """Whether IDaaS accepts the agent's client credential, and whether its tokens would be verified."""
        step, requested_at = _Step(_OWN_TOKEN), self._clock()
        issued: list[Credential] = []

        async def obtain() -> None:
            issued.append(await self._agent.broker.obtain(PAM_TOKEN, AccessIdentity.MACHINE, None))

        finding = await self._step(step, obtain(), "issued by IDaaS")
        refused = finding.error is not None and finding.error.code is IdentityCode.MACHINE_TOKEN_FAILED
        required = self._agent.requirements.values()
        if refused and all(each.access_identity is AccessIdentity.HUMAN for each in required):
            accepted = "IDaaS knows the agent and grants it no token of its own; Human identity needs none"
            return [Finding(step.name, Outcome.OK, accepted)]
        if not issued or not keys_loaded:
            return [finding]
        agent = self._agent
        work = check_issued(
            issued[0].secret,
            issuer=agent.settings.idaas.issuer,
            keys=agent.jwks,
            clock=self._clock,
            requested_at=requested_at,
        )
        return [finding, await self._step(_Step("what IDaaS issues"), work)]

    async def _users_token(self, *, keys_loaded: bool) -> Finding:
        name = "user's access token"
        if self._user_token is None:
            return skipped(name, "no token was given", _HOW_TO_GET_A_TOKEN)
        if not keys_loaded:
            return skipped(name, "it cannot be verified without the signing keys")

        async def verify(token: Secret) -> None:
            self._caller = await self._agent.verifier.verify(token)

        verified = "its signature, issuer, audience, lifetime and scope are right"
        return await self._step(_Step(name), verify(self._user_token), verified)

    async def _credential(
        self, name: str, requirement: CredentialRequirement, identity: AccessIdentity, *, client_known: bool
    ) -> Finding:
        step = _Step(f"credential of {name}", name)
        if not client_known:
            return skipped(step.name, "it needs the agent's own token, which was not issued")
        if identity is AccessIdentity.HUMAN and self._caller is None:
            return skipped(step.name, "it needs the access token of a user (see above)")
        obtained = self._agent.broker.obtain(requirement, identity, self._caller)
        return await self._step(step, obtained, f"obtained as {identity}")

    async def _use(self, step: _Step, work: Callable[[], Awaitable[str]], *, ready: bool) -> Finding:
        if not ready:
            return skipped(step.name, "it cannot be called without its credential")
        return await self._step(step, work())

    async def _step(self, step: _Step, work: Awaitable[object], found: str = "") -> Finding:
        """Awaits `work`; its result, if it is a text, becomes the detail of the finding."""
        error: AgentError
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                result = await work
            return Finding(step.name, Outcome.OK, result if isinstance(result, str) else found)
        except AgentError as failure:
            error = failure
        except TimeoutError:
            error = UnreachableError(step.late, f"no response within {_STEP_SECONDS:g} s")
        except Exception as fault:  # noqa: BLE001 - its text may contain anything, so only type and place are shown
            detail = f"raised {type(fault).__name__} at {place_of(fault)}"
            error = InternalError(AgentCode.INTERNAL_ERROR, detail)
        for service in self._agent.services:
            if service.name == step.part:
                error = error.of(service.name, service.settings)
        return failed(step.name, error, await self._why(step, error))

    async def _why(self, step: _Step, error: AgentError) -> Explanation | None:
        """Checks the connection first: an unreachable address explains every other symptom."""
        origin = origin_of(self._agent.settings, self._agent.services, step.part, error)
        if origin.url:
            tls = ssl.create_default_context(cafile=self._agent.settings.ssl_cert_file)
            if barred := await obstacle(origin.url, origin.url_setting, tls):
                return barred
        if error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED and "OpenAPI" not in error.detail:
            agent = self._agent
            if found := await instance_difference(agent.settings, agent.http, self._clock):
                return found
        return explanation(error, step.part, origin)
