"""What governance adds to a call of a tool that does nothing: a policy file, labels, approvals and records.

In the form in which others publish it: an ungoverned call, and a governed one, by quantiles.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import uvloop
from langchain_core.messages import AnyMessage, HumanMessage, ToolCall, ToolMessage

from benchmarks.issuer import Issuer
from benchmarks.report import Figure, Plan, Series
from graph.context import Conversation
from graph.credentials.service_credentials import requirements
from idaas_agent.library.governed_calls import CallParts, GovernedCalls, KnownCalls
from idaas_agent.library.made_calls import MadeCalls
from idaas_agent.library.memory_approvals import MemoryApprovals
from idaas_agent.library.place import Place
from idaas_agent.library.stored_approvals import KeptCalls
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.file_destination import AuditFile
from identity.audit.log import AuditLog
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from plugins.policy.call_policy import CedarPolicy, PolicyFile
from plugins.policy.rules import END
from plugins.policy.schema import ToolAction, Vocabulary
from tools.approval_policy import ApprovalMode, Data, Effect, ToolPolicy
from tools.http_service.client import ServiceClient
from tools.http_service.service import HTTPService
from tools.service import ToolSchema

_CALLS: Final = 2_000
_QUICK: Final = 5
_AMOUNTS: Final = 900
"""Amounts that the rules allow. Each call has another one than those before it, so that none is known."""
_READ: Final = ToolMessage("5000", name="balance", tool_call_id="read")
"""The result of a tool whose data is confidential."""
_LIMIT: Final = (
    'forbid (principal, action in Action::"write", resource) when {{ context.input.amount > {} }};'
)
_RULES: Final = ["permit (principal, action, resource);", *(_LIMIT.format(1000 + n) for n in range(19))]


class _OneToken:
    """A `CredentialIssuer` with one token, which the broker caches."""

    def prerequisite(self, *_: object) -> None:
        """There is none."""

    async def issue(self, *_: object) -> IssuedCredential:
        """The token."""
        return IssuedCredential(Secret("credential"), time.time() + 3600)


class _Times(NamedTuple):
    """Milliseconds of each call."""

    ungoverned: list[float]
    allowed: list[float]
    approved: list[float]


def governance(plan: Plan) -> Iterable[Figure]:
    """A call that twenty rules allow after confidential data was read, by values that its user has written;
    and one that its user has approved, whose approval is looked up and used.
    """
    calls = _QUICK if plan.quick else _CALLS
    rounds = [
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_measured(calls)) for _ in range(plan.rounds)
    ]
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        ungoverned = Series(tuple(_quantile(times.ungoverned, part) for times in rounds))
        allowed = Series(tuple(_quantile(times.allowed, part) for times in rounds))
        approved = Series(tuple(_quantile(times.approved, part) for times in rounds))
        floor = f"the same call, ungoverned: {name}"
        yield Figure(f"a call under policy, labels and records: {name}", "ms", allowed, floor, ungoverned)
        yield Figure(f"the same, with its user's approval: {name}", "ms", approved, floor, ungoverned)


def _service() -> HTTPService:
    policies = {
        "pay": ToolPolicy(effect=Effect.WRITE, mode=ApprovalMode.ALLOW),
        "ask": ToolPolicy(effect=Effect.WRITE, mode=ApprovalMode.ASK),
    }
    service = HTTPService(
        "bank", "https://bank.example", AccessTokenRequirement("https://bank.example|pay"), policies=policies
    )

    @service.tool
    async def pay(client: ServiceClient, account: str, amount: int) -> str:  # noqa: ARG001 - it does nothing
        """Pays."""
        return "paid"

    @service.tool
    async def ask(client: ServiceClient, account: str, amount: int) -> str:  # noqa: ARG001 - it does nothing
        """Pays, if its user agrees."""
        return "paid"

    return service


def _salaries() -> HTTPService:
    """Another service, of whose data a call of `_service` could carry something elsewhere."""
    policies = {"balance": ToolPolicy(data=Data.CONFIDENTIAL)}
    requirement = AccessTokenRequirement("https://salaries.example|read")
    service = HTTPService("salaries", "https://salaries.example", requirement, policies=policies)

    @service.tool
    async def balance(client: ServiceClient) -> str:  # noqa: ARG001 - it does nothing
        """What the user has."""
        return "5000"

    return service


async def _measured(calls: int) -> _Times:
    """All calls in turns, each of a message of its own."""
    issuer = Issuer()
    caller = await issuer.verifier().verify(Secret(issuer.access_token()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = AuditLog(AuditFile(folder / "audit.log"), logged=False)
        bank = _service()
        governed = _governed(bank, AuditTrail(log), folder)
        schemas = {tool.name: tool for tool in await bank.tools(governed.access(bank.name, caller))}
        times = _Times([], [], [])
        for number in range(calls):
            began = time.perf_counter()
            await bank.call("pay", _arguments(number), governed.access(bank.name, caller))
            times.ungoverned.append((time.perf_counter() - began) * 1000)
            times.allowed.append(await _timed(governed, schemas["pay"], number, caller))
            await _approve(governed, schemas["ask"], number, caller)
            times.approved.append(await _timed(governed, schemas["ask"], number, caller))
        await log.aclose()
    return times


def _governed(bank: HTTPService, audit: AuditTrail, folder: Path) -> GovernedCalls:
    """The calls of `bank`, and of a service with confidential data, by the rules of a file."""
    rules = folder / "policy.cedar"
    rules.write_text("\n".join([*_RULES, END]))
    services = [bank, _salaries()]
    known = KnownCalls()
    broker = CredentialBroker(_OneToken(), audit=audit)
    actions = {action.name: action for action in _actions()}
    vocabulary = Vocabulary(
        actions=actions,
        names=frozenset(),
        listing=frozenset(),
        services=tuple(service.name for service in services),
        groups=frozenset(),
        attributes=(),
        counts=False,
    )
    by_name = {service.name: service for service in services}
    policies: list[Any] = []
    parts = CallParts(
        broker=broker,
        audit=audit,
        clock=time.time,
        access_identity=AccessIdentity.HUMAN,
        approval_seconds=600.0,
        known=known,
        kept=KeptCalls(MemoryApprovals(), MadeCalls()),
        policies=policies,
    )
    calls = GovernedCalls(services, parts)
    policies.append(
        CedarPolicy(
            by_name,
            requirements(services, AccessIdentity.HUMAN),
            PolicyFile(rules, vocabulary),
            calls.access,
            counters=None,
            group_claim="groups",
            zone=ZoneInfo("UTC"),
            observes=False,
            clock=time.time,
        )
    )
    governed = GovernedCalls(services, parts)
    for service in services:
        for tool in service.tool_names:
            governed.declare_labels(service.name, tool)
    return governed


def _actions() -> Iterable[ToolAction]:
    paying = {
        "type": "object",
        "properties": {"account": {"type": "string"}, "amount": {"type": "integer"}},
        "required": ["account", "amount"],
    }
    yield ToolAction("bank", "pay", Effect.WRITE, paying)
    yield ToolAction("bank", "ask", Effect.WRITE, paying)
    yield ToolAction("salaries", "balance", Effect.READ, {"type": "object", "properties": {}})


def _arguments(number: int) -> dict[str, Any]:
    return {"account": "savings", "amount": 1 + number % _AMOUNTS}


def _place(number: int) -> Place:
    run = f"run-{number}"
    asked = HumanMessage(f"Pay {_arguments(number)['amount']} to savings")
    messages: list[AnyMessage] = [asked, _READ]
    return Place(Conversation("thread", run), "task", run, None, None, messages)


def _call(tool: ToolSchema, number: int) -> ToolCall:
    return ToolCall(name=tool.name, args=_arguments(number), id=f"{tool.name}-{number}", type="tool_call")


async def _approve(
    governed: GovernedCalls, tool: ToolSchema, number: int, caller: VerifiedAccessToken
) -> None:
    asked = await governed.question("bank", tool, _call(tool, number), _place(number), caller)
    assert asked is not None
    await asked.decisions.keep(asked.approval, caller)
    await asked.decisions.approve(asked.approval, _arguments(number), caller)


async def _timed(
    governed: GovernedCalls, tool: ToolSchema, number: int, caller: VerifiedAccessToken
) -> float:
    call = _call(tool, number)
    place = _place(number)
    began = time.perf_counter()
    result = await governed.result("bank", tool, call, place, caller)
    took = (time.perf_counter() - began) * 1000
    assert result.text == "paid", result.text
    return took


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
