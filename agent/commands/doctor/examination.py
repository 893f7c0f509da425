"""The checks of `doctor`: everything that a request needs, in the order in which a request needs it.

Each step uses the same code as the agent. A step whose precondition failed is skipped, so that every reported
failure has a cause of its own.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Final

from agent.commands.doctor.causes import instance_difference, obstacle, origin_of
from agent.commands.doctor.checks import (
    ask_model,
    check_issued,
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
_NO_CREDENTIAL: Final = "it cannot be called without its credential"
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
        async for finding in self._stores():
            yield finding
        found = f"from {agent.settings.jwks_url}"
        keys = await self._step("signing keys", agent.jwks.load(), found, late=IdentityCode.JWKS_UNAVAILABLE)
        yield keys
        inspected = agent.settings.idaas.client_authentication.inspect()
        credential = await self._step("client credential", inspected)
        yield credential
        own = [skipped(_OWN_TOKEN, "the client credential could not be obtained")]
        if credential.outcome is Outcome.OK:
            own = await self._own_token(keys_loaded=keys.outcome is Outcome.OK)
        for finding in own:
            yield finding
        yield await self._users_token(keys_loaded=keys.outcome is Outcome.OK)
        known = own[0].outcome is Outcome.OK
        usable = {each.name for each in agent.services if each.credential is None}
        for name, required in agent.requirements.items():
            finding = await self._credential(
                name, required.credential, required.access_identity, client_known=known
            )
            usable |= {name} if finding.outcome is Outcome.OK else set()
            yield finding
        if "model" in usable:
            asked = ask_model(agent, self._caller)
            yield await self._step("model", asked, part="model", late=GraphCode.MODEL_CALL_FAILED)
        else:
            yield skipped("model", _NO_CREDENTIAL)
        for service in agent.services:
            step = f"service {service.name}"
            if service.name not in usable:
                yield skipped(step, _NO_CREDENTIAL)
                continue
            used = use_service(service, agent, self._caller)
            finding = await self._step(step, used, part=service.name, late=service.error_code)
            yield finding
            if isinstance(service, MCPService) and finding.outcome is Outcome.OK:
                yield tools_of_server(service.selection)
        ready = [each for each in agent.services if each.name in usable]
        listed = [each.cached_tools(agent.access(each.name, self._caller)) or () for each in ready]
        yield names_of_tools(ready, listed)

    async def _stores(self) -> AsyncGenerator[Finding, None]:
        """The audit log, Redis and the database. Revocations are read, so that the user's token is verified
        as the agent would.
        """
        agent, settings = self._agent, self._agent.settings
        if (file := settings.audit_log_file) is None:
            unset = "AUDIT_LOG_FILE is not set: records go to the log only"
            yield skipped("audit log", unset, "set AUDIT_LOG_FILE to a file")
        else:
            written = asyncio.to_thread(check_writable, file)
            yield await self._step("audit log", written, f"{file} can be written")
        if (url := settings.audit_syslog_url) is not None:
            connected = asyncio.to_thread(check_syslog, url, settings.ssl_cert_file)
            yield await self._step("audit syslog", connected, f"connected to {url}")
        stores = []
        if agent.redis is not None:
            stores.append(await self._step("shared counters", agent.redis.check()))
            yield stores[-1]
        if (storage := agent.conversation_storage) is None:
            yield skipped("conversations", "CONVERSATIONS_URL is none: they are not stored")
        else:
            late = AgentCode.CONVERSATIONS_UNAVAILABLE
            stores.append(await self._step("conversations", storage.check(), late=late))
            yield stores[-1]
        if any(each.outcome is Outcome.FAILED for each in stores):
            yield skipped("revocations", "what failed above may have them")
            return

        async def read() -> None:
            await agent.revocation.start()
            await agent.revocation.check()

        yield await self._step("revocations", read(), "they can be read")

    async def _own_token(self, *, keys_loaded: bool) -> list[Finding]:
        """Whether IDaaS accepts the agent's client credential, and whether its tokens would be verified."""
        agent, requested_at = self._agent, self._clock()
        issued: list[Credential] = []

        async def obtain() -> None:
            issued.append(await agent.broker.obtain(PAM_TOKEN, AccessIdentity.MACHINE, None))

        finding = await self._step(_OWN_TOKEN, obtain(), "issued by IDaaS")
        refused = finding.error is not None and finding.error.code is IdentityCode.MACHINE_TOKEN_FAILED
        required = agent.requirements.values()
        if refused and all(each.access_identity is AccessIdentity.HUMAN for each in required):
            accepted = "IDaaS knows the agent and grants it no token of its own; Human identity needs none"
            return [Finding(_OWN_TOKEN, Outcome.OK, accepted)]
        if not issued or not keys_loaded:
            return [finding]
        work = check_issued(
            issued[0].secret,
            issuer=agent.settings.idaas.issuer,
            keys=agent.jwks,
            clock=self._clock,
            requested_at=requested_at,
        )
        return [finding, await self._step("what IDaaS issues", work)]

    async def _users_token(self, *, keys_loaded: bool) -> Finding:
        name = "user's access token"
        if self._user_token is None:
            return skipped(name, "no token was given", _HOW_TO_GET_A_TOKEN)
        if not keys_loaded:
            return skipped(name, "it cannot be verified without the signing keys")

        async def verify(token: Secret) -> None:
            self._caller = await self._agent.verifier.verify(token)

        verified = "its signature, issuer, audience, lifetime and scope are right"
        return await self._step(name, verify(self._user_token), verified)

    async def _credential(
        self, name: str, requirement: CredentialRequirement, identity: AccessIdentity, *, client_known: bool
    ) -> Finding:
        step = f"credential of {name}"
        if not client_known:
            return skipped(step, "it needs the agent's own token, which was not issued")
        if identity is AccessIdentity.HUMAN and self._caller is None:
            return skipped(step, "it needs the access token of a user (see above)")
        obtained = self._agent.broker.obtain(requirement, identity, self._caller)
        return await self._step(step, obtained, f"obtained as {identity}", part=name)

    async def _step(
        self,
        name: str,
        work: Awaitable[object],
        found: str = "",
        *,
        part: str = "idaas",
        late: ErrorCode = IdentityCode.IDAAS_UNREACHABLE,
    ) -> Finding:
        """Awaits `work`, which checks `part` (`idaas`, `model` or a service's name). Its result, if it is a
        text, becomes the detail of the finding. `late` is the code of the error if it takes too long.
        """
        error: AgentError
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                result = await work
            return Finding(name, Outcome.OK, result if isinstance(result, str) else found)
        except AgentError as failure:
            error = failure
        except TimeoutError:
            error = UnreachableError(late, f"no response within {_STEP_SECONDS:g} s")
        except Exception as fault:  # noqa: BLE001 - its text may contain anything, so only type and place are shown
            detail = f"raised {type(fault).__name__} at {place_of(fault)}"
            error = InternalError(AgentCode.INTERNAL_ERROR, detail)
        for service in self._agent.services:
            if service.name == part:
                error = error.of(service.name, service.settings)
        return failed(name, error, await self._why(part, error))

    async def _why(self, part: str, error: AgentError) -> Explanation | None:
        """Checks the connection first: an unreachable address explains every other symptom."""
        origin = origin_of(self._agent.settings, self._agent.services, part, error)
        if origin.url:
            tls = ssl.create_default_context(cafile=self._agent.settings.ssl_cert_file)
            if barred := await obstacle(origin.url, origin.url_setting, tls):
                return barred
        if error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED and "OpenAPI" not in error.detail:
            agent = self._agent
            if found := await instance_difference(agent.settings, agent.http, self._clock):
                return found
        return Explanation.by_rule(error, service=part, **asdict(origin))
