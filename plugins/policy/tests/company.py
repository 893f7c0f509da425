"""The graph of a company whose policy is the file of plugins/policy/README.md, with a real file and store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from langchain_core.messages import ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agent.composition.facts_of_today import ReadFacts, no_facts
from agent.errors.error_codes import AgentCode
from graph.approvals.declared_policy import DeclaredPolicy
from graph.approvals.policies import Policies
from graph.approvals.record import Approver
from graph.approvals.request import pending_of
from graph.call_measures import CallMeasures
from graph.context import AgentContext
from graph.credentials.service_credentials import ServiceCredentials, requirements
from identity.access_token.verified_access_token import KeptClaim, VerifiedAccessToken, assume_verified
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import AccessTokenRequirement
from identity.errors import UnavailableError
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from plugins.policy.call_policy import CedarPolicy, PolicyFile
from plugins.policy.counters import CallCounters
from plugins.policy.schema import ToolAction, Vocabulary
from tests.audit_records import WITHOUT_MODEL_CALLS, AuditRecords
from tests.graph.approvals.memory_store import memory_approvals
from tests.graph.bench import LLM, Bench
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens, Vault
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.service import ToolResult, ToolSchema

DOCUMENTED = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
RULES = DOCUMENTED.partition("```cedar\n")[2].partition("```")[0]
ZONE = ZoneInfo("Asia/Shanghai")
FRIDAY = datetime(2026, 11, 27, 10, tzinfo=ZONE).timestamp()
SATURDAY = datetime(2026, 11, 28, 10, tzinfo=ZONE).timestamp()
_AMOUNT = {"amount": {"type": "number"}, "reason": {"type": "string"}}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "submit_expense": {"type": "object", "properties": _AMOUNT, "required": ["amount", "reason"]},
    "pay_out": {"type": "object", "properties": {"report": {"type": "string"}}, "required": ["report"]},
    "list_expenses": {"type": "object", "properties": {}},
}
ALLOWED = {
    "submit_expense": ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW),
    "pay_out": ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW),
}
VOCABULARY = Vocabulary(
    actions={
        f"expenses.{tool}": ToolAction("expenses", tool, ALLOWED.get(tool, ToolPolicy()).effect, parameters)
        for tool, parameters in PARAMETERS.items()
    },
    names=frozenset(),
    listing=frozenset({"maps"}),
    services=("expenses", "maps"),
    groups=frozenset({"staff", "finance"}),
    attributes=("department",),
    counts=True,
)


def expense(amount: float, reason: str = "train") -> Any:
    """A response of the model that submits an expense."""
    return calls(("submit_expense", {"amount": amount, "reason": reason}))


class Away:
    """A database that cannot be reached."""

    async def write(self, *_: Any, **__: Any) -> None:
        raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")


class ClaimedTokens(Tokens):
    """Tokens with claims by user, and with the time of a sign-in by token."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[str, dict[str, KeptClaim]] = {}
        self.signed_in_at: dict[str, float] = {}

    async def verify(self, token: Secret) -> VerifiedAccessToken:
        found = await super().verify(token)
        return assume_verified(
            principal=found.principal,
            audience=found.audience,
            scopes=found.scopes,
            expires_at=found.expires_at,
            fingerprint=found.fingerprint,
            token=found.token,
            signed_in_at=self.signed_in_at.get(token.reveal()),
            claims=self.claims.get(found.principal.subject, {}),
        )


@dataclass
class Company:
    """One agent. `say` begins a run on a thread, `answer` continues it; both return the results of tools."""

    folder: Path
    turns: list[Any] = field(default_factory=list)
    identity: AccessIdentity = AccessIdentity.HUMAN
    rules: str = RULES
    counters: CallCounters | None = None
    facts_of_today: ReadFacts = no_facts
    policies: Mapping[str, ToolPolicy] = field(default_factory=lambda: dict(ALLOWED))
    vocabulary: Vocabulary = VOCABULARY
    observes: bool = False
    resume_values: bool = False
    """The answers are LangGraph's resume values, as on LangGraph Server and Aegra's workers."""
    now: float = FRIDAY
    thread: str = "run1"
    services: list[Any] = field(default_factory=list)
    """In place of its own."""

    def __post_init__(self) -> None:
        self.file = self.folder / "policy.cedar"
        self.file.write_text(self.rules, encoding="utf-8")
        scope = AccessTokenRequirement("https://expenses.example|submit")
        self.service = EchoService("expenses", scope, **dict.fromkeys(PARAMETERS, "done"))
        self.service.schemas = [ToolSchema(tool, "", given) for tool, given in PARAMETERS.items()]
        self.service.policies = dict(self.policies)
        self.maps = EchoService("maps", scope, weather="sunny")
        services = self.services or [self.service, self.maps]
        self.tokens, self.store, self.measures = ClaimedTokens(), memory_approvals(), CallMeasures()
        self.records = AuditRecords(WITHOUT_MODEL_CALLS)
        self.looks = 0.0
        required = requirements(services, self.identity, LLM)
        resolved = ServiceCredentials(required, Vault(), lambda: self.now)  # type: ignore[arg-type]  # a stand-in
        by_name = {service.name: service for service in services}
        self.policy = CedarPolicy(
            by_name,
            required,
            PolicyFile(self.file, self.vocabulary, lambda: self.looks),
            lambda service, caller: resolved.of(caller, service),
            counters=self.counters,
            group_claim="groups",
            zone=ZONE,
            observes=self.observes,
            clock=lambda: self.now,
            facts_of_today=self.facts_of_today,
        )
        self.policies = Policies([DeclaredPolicy(by_name, required), self.policy])
        self.bench = Bench(
            [*self.turns, DONE],
            services,
            self.identity,
            {
                "store": self.store,
                "checkpointer": InMemorySaver(),
                "clock": lambda: self.now,
                "audit": AuditTrail(self.records),
                "calls": self.measures,
                "policies": [self.policy],
                "resume_values": self.resume_values,
            },
            self.tokens,
        )

    def write(self, rules: str) -> None:
        """Changes the file; the next decision looks at it."""
        self.file.write_text(rules, encoding="utf-8")
        self.looks += 1

    async def say(self, token: str = "alice-at") -> list[str]:
        return await self._run({"messages": [("user", "go on")]}, token)

    async def approve(self, token: str = "alice-at", *, approved: bool = True) -> list[str]:
        """Answers what the run asks."""
        state = await self.bench.graph.aget_state(self._config)
        (interrupted,) = state.interrupts
        if self.resume_values:
            return await self._run(Command(resume={"approved": approved}), token)
        request = pending_of(interrupted.value).request
        return await self._run(None, token, {request.id: {"approved": approved}})

    async def approve_for(self, user: str, *groups: str) -> None:
        """Another user approves what the run asks."""
        [state] = await self.store.pending(Principal("https://idaas.example", "alice"))
        approver = Approver(Principal("https://idaas.example", user), frozenset(groups))
        await self.store.decide_for(state.request.id, approver, approved=True, at=self.now)

    async def go_on(self, token: str = "alice-at") -> list[str]:
        return await self._run(None, token)

    async def asks(self) -> bool:
        """Whether the run waits for an answer."""
        return bool((await self.bench.graph.aget_state(self._config)).interrupts)

    async def submit(self, amount: float, token: str = "alice-at") -> str:
        """The result of an expense, in a conversation of its own; "ask" if it asks."""
        self.thread += "+"
        self.bench.model.turns[:] = [expense(amount), DONE]
        results = await self.say(token)
        return "ask" if await self.asks() else results[-1]

    @property
    def submitted(self) -> list[float]:
        """The amounts that reached the service."""
        return [arguments["amount"] for tool, arguments, _ in self.service.calls if tool == "submit_expense"]

    @property
    def _config(self) -> dict[str, Any]:
        return {"configurable": {"thread_id": self.thread}}

    async def _run(self, given: object, token: str, answers: Mapping[str, object] | None = None) -> list[str]:
        context = AgentContext(Secret(token), thread_id=f"thread of {self.thread}", answers=answers or {})
        result = await self.bench.graph.ainvoke(given, self._config, context=context)
        return [message.text for message in result["messages"] if isinstance(message, ToolMessage)]


def not_called(text: str) -> ToolResult:
    """The result of a call that the service refused before a request."""
    return ToolResult(text, ok=False, called=False)
