"""The `CallPolicy` of POLICY_URL: a decision point decides after what the services declare.

The decision point evaluates requests by AuthZEN 1.0 (OpenID Authorization API). Of a response `decision` is
used, `lasting_seconds`, and whether it has obligations; no text of it gets anywhere.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
from langchain_core.messages import ToolCall

from agent.composition.facts_of_today import Fact, ReadFacts, no_facts
from agent.errors.error_codes import AgentCode
from agent.settings.settings import Settings
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, AnyUser, Ask, Decision, Deny, Facts, Forecast, Undetermined
from graph.credentials.service_credentials import ServiceRequirement, access_identity_of
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import AccessTokenRequirement, Credential
from identity.errors import AgentError, UnreachableError
from identity.observation.request_context import REQUEST_ID
from identity.principal import AccessIdentity, Principal
from identity.strict_json import read_object
from identity.transport.bounded_response import Response, TransportFailure
from identity.transport.retry import RetryPolicy
from plugins.policy.counters import UNCOUNTED, CallCounters, CountedCall
from plugins.policy.schema import FRACTION, fact_value
from plugins.policy.situation import FAILED, Situation, consent_of, context_of, decision_steps, situation_of
from plugins.policy.variables import PolicyVariables
from tools.approval_policy import DataLabels
from tools.lasting import LONGEST_SECONDS
from tools.service import Service, ToolSchema
from tools.service_name import service_of

_LOG: Final = logging.getLogger("idaas_agent.policy")
_DECISION_SECONDS: Final = 10.0
"""For all requests of one decision."""
_RETRIES: Final = RetryPolicy(attempts=2, deadline=3.0)
_CHECK: Final = RetryPolicy(attempts=1, deadline=0.9)
"""A probe of `/ready` waits for a second at least."""
_EXACT: Final = range(1 - 2**53, 2**53)
"""The integers that every reader of JSON reads as the same number."""


@dataclass(frozen=True, slots=True)
class DecisionPointPolicy:
    """Decides by the decision point of `settings`. What the policies before it ask is asked in any case.

    Denied is what it does not decide: no response in time, a status other than 200 (a redirect, too), a body
    that is not strict JSON or has no boolean `decision`, an obligation, arguments with integers that readers
    of JSON round, and a token that cannot be obtained. No argument is logged.
    """

    services: Mapping[str, Service]
    requirements: Mapping[str, ServiceRequirement]
    settings: Settings
    http: httpx.AsyncClient
    credentials: CredentialBroker
    clock: Callable[[], float]
    counters: CallCounters | None
    """`None`: calls are not counted, and `today` is not sent."""
    retries: RetryPolicy = _RETRIES
    requests: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(64))
    facts_of_today: ReadFacts = no_facts
    sign_in_rules: ClassVar[Sequence[str]] = ()
    """Its rules are not known."""

    async def check(self) -> None:
        """Raises `AgentError` if the decision point does not decide about the agent itself."""
        user, service = ({"type": kind, "id": self.settings.idaas.client_id} for kind in ("user", "service"))
        await self._evaluated({"subject": user, "action": {"name": "ready"}, "resource": service}, _CHECK)

    async def in_force(self) -> None:
        """People see nothing of it."""

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:  # noqa: ARG002 - the seam's
        """A decision point may deny any call."""
        return True

    async def decide(
        self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts, so_far: Allow | Ask
    ) -> Decision:
        decided: Decision = so_far
        settings = self.settings
        variables = self.settings.of(PolicyVariables)
        asks = so_far if isinstance(so_far, Ask) else None
        now = datetime.fromtimestamp(self.clock(), ZoneInfo(variables.policy_time_zone))
        listed = frozenset(variables.policy_groups)
        claims = settings.caller_claims.split(), settings.policy_groups_claim
        identity = access_identity_of(self.requirements, pending.service)
        situation = situation_of(caller, identity, now, listed, *claims)
        situation = replace(situation, arguments=pending.call["args"], read=pending.read)
        lasting: list[int] = []
        steps = decision_steps(situation, facts, asks, variables.policy_groups, ages=(0,), durations=lasting)
        policy = f"authzen:{urlsplit(variables.policy_url or '').netloc}"
        of_tool = self.services[pending.service].policy(pending.call["name"])
        decided = Deny(reason=FAILED)
        try:
            entry = CountedCall.of(pending, now.date(), of_tool.sum)
        except ValueError:
            return Deny(reason=UNCOUNTED, policy=policy)
        try:
            async with asyncio.timeout(_DECISION_SECONDS):
                if self.counters is not None:
                    entry = await self.counters.enter(entry)
                    situation = replace(situation, calls=entry.calls, amount=entry.total)
                    facts_of_today = await self.facts_of_today(caller.principal)
                    today = {name: _as_number(fact) for name, fact in facts_of_today.items()}
                    situation = replace(situation, today=today)
                tried = next(steps)
                while True:
                    request = self._request(pending, situation, *tried)
                    request["context"]["hypothetical"] = tried != (facts, None)
                    allowed, seconds = await self._evaluated(request, self.retries)
                    if tried[0].lasting is None:
                        lasting[:] = seconds
                    tried = steps.send(allowed)
        except StopIteration as ended:
            decided = ended.value
        except (AgentError, TimeoutError) as failure:
            error = failure if isinstance(failure, AgentError) else _unavailable("no decision in time")
            _LOG.error('"%s" is denied: %s', pending.name, error.detail)
            decided = Deny(reason=FAILED, error=error.code)
        finally:
            if self.counters is not None:
                decided = await self.counters.settled(entry, decided)
        return replace(decided, policy=policy)

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser, so_far: Forecast) -> Forecast:  # noqa: ARG002 - the seam's
        return Undetermined(rules=so_far.rules)

    def _request(
        self, pending: PendingCall, situation: Situation, facts: Facts, age: int | None
    ) -> dict[str, Any]:
        """An access evaluation request. Without arguments that are null, as the specification recommends."""
        service = pending.service
        tool = pending.call["name"]
        by = facts.approver
        listed = frozenset(self.settings.of(PolicyVariables).policy_groups)
        user = _subject(pending.principal, situation.groups, situation.claims)
        given = {name: value for name, value in situation.arguments.items() if value is not None}
        context = {**context_of(situation), **consent_of(situation, facts, age), "input": given}
        policy = self.services[service].policy(tool)
        if self.counters is not None:
            summed = {} if policy.sum is None else {"sum": situation.amount / FRACTION}
            context["today"] = {**situation.today, "count": situation.calls, **summed}
        if facts.approved:
            context["approver"] = user if by is None else _subject(by.principal, by.groups & listed, {})
        return {
            "subject": user,
            "action": {"name": pending.name, "properties": {"effect": policy.effect}},
            "resource": {"type": "service", "id": service_of(service)},
            "context": context,
        }

    async def _evaluated(
        self, evaluation: Mapping[str, Any], retries: RetryPolicy
    ) -> tuple[bool, Sequence[int]]:
        """The decision, and for how many seconds a consent may last, if it says that. A token that is refused
        is renewed once. Raises `AgentError` if that is not decided.
        """
        try:
            content = json.dumps(evaluation, ensure_ascii=False, separators=(",", ":")).encode()
            read_object(content, integers=_EXACT)
        except ValueError:  # its text may contain arguments
            raise _unavailable("not asked, because JSON cannot express the arguments exactly") from None
        variables = self.settings.of(PolicyVariables)
        token: Credential | None = None

        async def request() -> httpx.Request:
            nonlocal token
            headers = {"Content-Type": "application/json"}
            headers["X-Request-ID"] = REQUEST_ID.get() or secrets.token_hex(16)
            if variables.policy_scope is not None:
                required = AccessTokenRequirement(variables.policy_scope)
                token = await self.credentials.obtain(required, AccessIdentity.MACHINE, None)
                headers["Authorization"] = f"Bearer {token.secret.reveal()}"
            return self.http.build_request(
                "POST", variables.policy_url or "", content=content, headers=headers
            )

        response = await retries.send(self.http, request, self.requests)
        if isinstance(response, Response) and response.status == 401 and token is not None:
            self.credentials.invalidate(token, None)
            response = await retries.send(self.http, request, self.requests)
        if isinstance(response, TransportFailure):
            raise _unavailable(response.reason)
        if response.status != 200:
            raise _unavailable(f"expected status 200, found {response.status}")
        try:
            found = read_object(response.body)
        except ValueError as error:
            raise _unavailable(f"the response {error}") from None
        decision = found.get("decision")
        context = found.get("context")
        if not isinstance(decision, bool):
            raise _unavailable('"decision" must be true or false')
        if decision and (context.get("obligations") if isinstance(context, dict) else context):
            raise _unavailable("it permits with obligations, which the agent does not fulfil")
        seconds = context.get("lasting_seconds") if decision and context else None
        if seconds is not None and not (type(seconds) is int and 0 < seconds <= LONGEST_SECONDS):
            raise _unavailable(f'"lasting_seconds" must be a whole number from 1 to {LONGEST_SECONDS}')
        durations = () if seconds is None else (seconds,)
        return decision, durations


def _subject(principal: Principal, groups: frozenset[str], claims: Mapping[str, str]) -> dict[str, Any]:
    """A user. An invented approver has an empty `iss`."""
    properties = {**claims, "iss": principal.issuer, "groups": sorted(groups)}
    return {"type": "user", "id": principal.subject, "properties": properties}


def _as_number(fact: Fact) -> int | float:
    """A fact as JSON has it."""
    return fact if isinstance(fact, int) else fact_value(fact) / FRACTION


def _unavailable(reason: str) -> UnreachableError:
    text = f"decision point of POLICY_URL: {reason}"
    return UnreachableError(AgentCode.POLICY_UNAVAILABLE, text, settings=("POLICY_URL", "POLICY_SCOPE"))
