"""What identity costs a warm request: a held credential, the audit log, and the two nodes of the graph."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from agent.audit_log import AuditLog
from benchmarks.issuer import Issuer
from benchmarks.laboratory import Laboratory
from benchmarks.measurement import Figure
from benchmarks.micro import Cases, Timed, micro, timed, timed_async
from identity.access_identity import AccessIdentity
from identity.access_token import VerifiedAccessToken
from identity.audit_event import AuditOutcome
from identity.audit_trail import AuditTrail
from identity.credential import AccessToken, ApiKey, Credential, CredentialNeed, CredentialSource
from identity.credential_broker import CredentialBroker
from identity.error_table import ErrorCode
from identity.issued_token import IssuedToken
from identity.secret import Secret
from tools.service import Access, ToolResult, ToolSchema

if TYPE_CHECKING:
    from graph.caller import Verifier

_HUMAN: Final = AccessIdentity.HUMAN
_LLM: Final = ApiKey("llm_api_key", ErrorCode.LLM_API_KEY_UNAVAILABLE)
_AMAP: Final = ApiKey("amap_api_key")
_ENTERPRISE: Final = AccessToken("https://enterprise.benchmark.example|service.invoke")


class _Issuer:
    """Issues at once."""

    async def machine_token(self, scope: str) -> IssuedToken:
        return IssuedToken(Secret(f"machine's for {scope}"), time.time() + 1200)

    async def exchange(self, subject_token: Secret, scope: str) -> IssuedToken:  # noqa: ARG002 - the protocol's
        return IssuedToken(Secret(f"user's for {scope}"), time.time() + 1200)

    async def obtain_api_key(self, pam_token: Secret, need: ApiKey) -> Secret:  # noqa: ARG002 - the protocol's
        return Secret(f"key {need.identifier}")


class _Service:
    """Needs a credential, and has no tools: only its share of the identity work counts."""

    access_identity = None
    failure = ErrorCode.EXTERNAL_SERVICE_FAILED

    def __init__(self, name: str, needs: CredentialNeed) -> None:
        self.name = name
        self.needs = needs

    async def tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the protocol's
        return ()

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing."""


class _Known:
    """In place of verifier and broker: the caller and the credentials are there, and nothing is checked."""

    def __init__(self, caller: VerifiedAccessToken, credentials: Sequence[Credential]) -> None:
        self._caller = caller
        self._credentials = {credential.need: credential for credential in credentials}

    async def verify(self, token: Secret) -> VerifiedAccessToken:  # noqa: ARG002 - the protocol's
        return self._caller

    def held(self, need: CredentialNeed, *_: object) -> Credential:
        return self._credentials[need]

    async def obtain(self, need: CredentialNeed, *_: object) -> Credential:
        return self._credentials[need]

    def invalidate(self, *_: object) -> None:
        raise NotImplementedError


class _Warm:
    """The real verifier and broker, for one caller whose credentials are held."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        issuer = Issuer()
        self.token = Secret(issuer.access_token())
        self.verifier = issuer.verifier()
        self.broker = CredentialBroker(_Issuer())
        self.caller = self.loop.run_until_complete(self.verifier.verify(self.token))
        needs: tuple[CredentialNeed, ...] = (_LLM, _AMAP, _ENTERPRISE)
        self.credentials = [
            self.loop.run_until_complete(self.broker.obtain(need, _HUMAN, self.caller)) for need in needs
        ]

    def run(self, verifier: "Verifier", credentials: CredentialSource) -> Timed:
        """A whole run of the graph: two services without tools, and a model that answers at once."""
        # Imported here: of all cases only these need them, and every case has a process of its own.
        from langchain_core.language_models.fake_chat_models import FakeListChatModel
        from langchain_core.messages import HumanMessage

        from graph.agent_graph import build_graph
        from graph.context import AgentContext

        graph = build_graph(
            model=FakeListChatModel(responses=["Hello."]),
            services=[_Service("amap", _AMAP), _Service("enterprise", _ENTERPRISE)],
            verifier=verifier,
            credentials=credentials,
            access_identity=_HUMAN,
            llm_api_key=_LLM,
        )
        question: Any = {"messages": [HumanMessage("Hello!")]}
        context = AgentContext(self.token)
        return timed_async(lambda: graph.ainvoke(question, {"callbacks": []}, context=context), self.loop)


def _held() -> Timed:
    warm = _Warm()
    broker, caller = warm.broker, warm.caller
    return timed(lambda: broker.held(_LLM, _HUMAN, caller))


def _dictionary() -> Timed:
    warm = _Warm()
    caller = warm.caller
    credentials = {(caller.fingerprint, _LLM): warm.credentials[0]}
    return timed(lambda: credentials.get((caller.fingerprint, _LLM)))


def _recorded(trail: AuditTrail) -> Timed:
    """Both lines of one tool call."""
    warm = _Warm()

    async def record() -> None:
        step = trail.tool_call("enterprise", "employees", "call_1", _ENTERPRISE, _HUMAN, warm.caller)
        await step.started()
        await step.ended(AuditOutcome.SUCCEEDED)

    return timed_async(record, warm.loop)


def _audit_without_sink() -> Timed:
    return _recorded(AuditTrail())


def _audit_to_logger() -> Timed:
    return _recorded(AuditTrail(AuditLog()))


def _run() -> Timed:
    warm = _Warm()
    return warm.run(warm.verifier, warm.broker)


def _run_without_identity() -> Timed:
    warm = _Warm()
    known = _Known(warm.caller, warm.credentials)
    return warm.run(known, known)


CASES: Cases = {
    "held credential": _held,
    "dictionary": _dictionary,
    "audit, no sink": _audit_without_sink,
    "audit, logger": _audit_to_logger,
    "run": _run,
    "run without identity": _run_without_identity,
}


def measure(laboratory: Laboratory) -> Sequence[Figure]:
    """No targets: each is small beside the run that it belongs to."""
    took = micro("broker", laboratory.plan)
    return [
        Figure("a held credential", "µs", took["held credential"], "a dictionary", took["dictionary"]),
        Figure("audit of a tool call, no sink", "µs", took["audit, no sink"]),
        Figure("audit of a tool call, to the logger", "µs", took["audit, logger"]),
        Figure(
            "a run of the graph, instant model",
            "µs",
            took["run"],
            "the same with caller and credentials given",
            took["run without identity"],
        ),
    ]
