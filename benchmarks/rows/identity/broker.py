"""The cost of identity in a warm request: a cached credential, the audit log, and the graph's two nodes."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from agent.operations.audit.log import AuditLog
from benchmarks.bench import Bench
from benchmarks.in_process.instant import ENTERPRISE, LLM, NEEDS, InstantIssuer, instant_graph
from benchmarks.in_process.issuer import Issuer
from benchmarks.in_process.micro import Cases, Timed, micro, timed, timed_async
from benchmarks.report.measurement import Figure
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.credentials.credential import Credential
from identity.credentials.requirement import CredentialRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from graph.callers import Verifier

_HUMAN: Final = AccessIdentity.HUMAN


class _FixedIdentity:
    """Replaces verifier and broker: returns a fixed caller and fixed credentials, and checks nothing."""

    def __init__(self, caller: VerifiedAccessToken, credentials: Sequence[Credential]) -> None:
        self._caller = caller
        self._credentials = {credential.requirement: credential for credential in credentials}

    async def verify(self, token: Secret) -> VerifiedAccessToken:  # noqa: ARG002 - the protocol's
        return self._caller

    def cached(self, requirement: CredentialRequirement, *_: object) -> Credential:
        return self._credentials[requirement]

    async def obtain(self, requirement: CredentialRequirement, *_: object) -> Credential:
        return self._credentials[requirement]

    def invalidate(self, *_: object) -> None:
        raise NotImplementedError


class _Warm:
    """The real verifier and broker, for one caller whose credentials are cached."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        issuer = Issuer()
        self.token = Secret(issuer.access_token())
        self.verifier = issuer.verifier()
        self.broker = CredentialBroker(InstantIssuer())
        self.caller = self.loop.run_until_complete(self.verifier.verify(self.token))
        self.credentials = [
            self.loop.run_until_complete(self.broker.obtain(requirement, _HUMAN, self.caller))
            for requirement in NEEDS
        ]

    def run(self, verifier: "Verifier", credentials: Any) -> Timed:
        """A complete run of the graph: two services without tools, and an instant model."""
        from langchain_core.messages import HumanMessage

        from graph.context import AgentContext

        graph = instant_graph(verifier, credentials)
        question: Any = {"messages": [HumanMessage("Hello!")]}
        context = AgentContext(self.token)
        return timed_async(lambda: graph.ainvoke(question, {"callbacks": []}, context=context), self.loop)


def _cached() -> Timed:
    warm = _Warm()
    broker, caller = warm.broker, warm.caller
    return timed(lambda: broker.cached(LLM, _HUMAN, caller))


def _dictionary() -> Timed:
    warm = _Warm()
    caller = warm.caller
    credentials = {(caller.fingerprint, LLM): warm.credentials[0]}
    return timed(lambda: credentials.get((caller.fingerprint, LLM)))


def _tool_call_records(trail: AuditTrail) -> Timed:
    """Both audit records of one tool call."""
    warm = _Warm()

    async def record() -> None:
        step = trail.tool_call("enterprise", "employees", "call_1", ENTERPRISE, _HUMAN, warm.caller)
        await step.started()
        await step.ended(AuditOutcome.SUCCEEDED)

    return timed_async(record, warm.loop)


def _audit_without_sink() -> Timed:
    return _tool_call_records(AuditTrail())


def _audit_to_logger() -> Timed:
    return _tool_call_records(AuditTrail(AuditLog()))


def _run() -> Timed:
    warm = _Warm()
    return warm.run(warm.verifier, warm.broker)


def _run_without_identity() -> Timed:
    warm = _Warm()
    fixed = _FixedIdentity(warm.caller, warm.credentials)
    return warm.run(fixed, fixed)


CASES: Cases = {
    "cached credential": _cached,
    "dictionary": _dictionary,
    "audit, no sink": _audit_without_sink,
    "audit, logger": _audit_to_logger,
    "run": _run,
    "run without identity": _run_without_identity,
}


def measure(bench: Bench) -> Sequence[Figure]:
    """No targets: each cost is a small part of a run."""
    times = micro("broker", bench.plan)
    return [
        Figure("a cached credential", "µs", times["cached credential"], "a dictionary", times["dictionary"]),
        Figure("audit of a tool call, no sink", "µs", times["audit, no sink"]),
        Figure("audit of a tool call, to the logger", "µs", times["audit, logger"]),
        Figure(
            "a run of the graph, instant model",
            "µs",
            times["run"],
            "the same with caller and credentials given",
            times["run without identity"],
        ),
    ]
