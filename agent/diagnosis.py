"""What `doctor` checks: everything that a request needs, in the order in which it needs it.

Each step is what the agent itself does, through the same parts. A step whose ground is missing is skipped, so
that the first failure is the one to mend.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from langchain_core.messages import HumanMessage

from agent.composition import Agent, CallerAccess
from agent.settings import read_settings
from graph.api_key import api_key
from identity.access_identity import AccessIdentity
from identity.access_token import VerifiedAccessToken
from identity.credential import Credential, CredentialNeed
from identity.credential_broker import PAM_TOKEN
from identity.error_table import ErrorCode
from identity.errors import AgentError, ConfigurationError, UnreachableError
from identity.secret import Secret
from tools.service import Service

_STEP_SECONDS: Final = 60.0
_NO_USER: Final = "as a user, which needs a user's access token"


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step. `detail` says what was found, or why it was skipped; `error` is there if it failed."""

    step: str
    outcome: Outcome
    detail: str
    error: AgentError | None = None


async def diagnose(
    environment: Mapping[str, str], user_token: Secret | None
) -> AsyncGenerator[Finding, None]:
    """The findings, one by one. What needs a user is checked with `user_token`, if there is one."""
    try:
        settings = read_settings(environment)
    except ConfigurationError as error:
        yield Finding("configuration", Outcome.FAILED, error.detail, error)
        return
    idaas = settings.idaas
    yield Finding("configuration", Outcome.OK, f"agent {idaas.client_id} of {idaas.issuer}")
    agent = Agent(settings)
    try:
        async with aclosing(_Examination(agent, user_token).findings()) as findings:
            async for finding in findings:
                yield finding
    finally:
        await agent.aclose()


class _Examination:
    def __init__(self, agent: Agent, user_token: Secret | None) -> None:
        self._agent = agent
        self._user_token = user_token
        self._caller: VerifiedAccessToken | None = None
        self._failed = False

    async def findings(self) -> AsyncGenerator[Finding, None]:
        agent = self._agent
        yield await self._step("signing keys", agent.jwks.load(), f"fetched from {agent.settings.jwks_url}")
        if self._failed:
            return
        if self._user_token is not None:
            yield await self._step("user's access token", self._verify(self._user_token), "verified")
        machine = agent.broker.obtain(PAM_TOKEN, AccessIdentity.MACHINE, None)
        yield await self._step("agent's own token", machine, "issued by IDaaS")
        if self._failed:
            return
        held: set[str] = set()
        for name, need, identity in agent.needs():
            finding = await self._credential(name, need, identity)
            held |= {name} if finding.outcome is Outcome.OK else set()
            yield finding
        if "model" in held:
            yield await self._step("model", self._ask_model(), f"{agent.settings.llm_model} answered")
        for service in agent.services:
            if service.name in held or service.needs is None:
                yield await self._step(f"service {service.name}", self._use(service), "answered")

    async def _credential(self, name: str, need: CredentialNeed, identity: AccessIdentity) -> Finding:
        step = f"credential of {name}"
        if identity is AccessIdentity.HUMAN and self._caller is None:
            return Finding(step, Outcome.SKIPPED, f"obtained {_NO_USER}")
        obtained = self._agent.broker.obtain(need, identity, self._caller)
        return await self._step(step, obtained, f"obtained as {identity}")

    async def _verify(self, token: Secret) -> None:
        self._caller = await self._agent.verifier.verify(token)

    async def _ask_model(self) -> None:
        access = self._agent.access("model", self._caller)
        api_key.set((await access.credential()).secret)
        await self._agent.model.ainvoke([HumanMessage("Answer with the word: ready")])

    async def _use(self, service: Service) -> None:
        """Lists the tools; a service whose only tool needs no argument is called as well."""
        access: CallerAccess = self._agent.access(service.name, self._caller)
        tools = await service.tools(access)
        if len(tools) == 1 and not tools[0].parameters.get("required"):
            await service.call(tools[0].name, {}, access)

    async def _step(self, step: str, work: Awaitable[Credential | None], found: str) -> Finding:
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                await work
        except AgentError as error:
            self._failed = True
            return Finding(step, Outcome.FAILED, error.detail, error)
        except TimeoutError:
            self._failed = True
            late = UnreachableError(ErrorCode.IDAAS_UNREACHABLE, f"no answer within {_STEP_SECONDS:g} s")
            return Finding(step, Outcome.FAILED, late.detail, late)
        return Finding(step, Outcome.OK, found)
