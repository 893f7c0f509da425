"""A graph whose tool `pay` asks, on one thread, with its store, checkpoints, audit log and clock."""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command

from agent.conversations.approvals import SqlApprovalStore
from graph.approvals.record import PendingApproval
from graph.approvals.request import pending_of
from graph.call_arguments import arguments_digest
from graph.context import AgentContext
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import AccessTokenRequirement, CredentialRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.audit_records import WITHOUT_MODEL_CALLS, AuditRecords
from tests.graph.approvals.memory_store import memory_approvals
from tests.graph.bench import Bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, ArgumentRule, Effect, ToolPolicy
from tools.arguments.validator import BoundedValidator

NOW = 1_700_000_000.0
SCOPE = AccessTokenRequirement("https://bank.example|pay")
POLICIES = {
    "pay": ToolPolicy(Effect.WRITE),
    "transfer": ToolPolicy(Effect.EXTERNAL, rules=(ArgumentRule("amount", ">", 100, ApprovalMode.DENY),)),
}
PAY_SCHEMA = {"type": "object", "properties": {"amount": {"type": "integer"}, "to": {"type": "string"}}}
ARGUMENTS = {"amount": 5, "to": "ann"}
DIGEST = arguments_digest(ARGUMENTS)
PAY = calls(("pay", ARGUMENTS))
YES = {"approved": True}
"""An answer in the agent's own form."""


@dataclass
class Bank:
    """`ask` begins a run, `resume` continues it; both return the messages of the state."""

    turns: list[Any] = field(default_factory=lambda: [PAY, DONE])
    store: SqlApprovalStore = field(default_factory=memory_approvals)
    saver: InMemorySaver = field(
        default_factory=lambda: InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=None))
    )
    access_identity: AccessIdentity = AccessIdentity.HUMAN
    options: dict[str, Any] = field(default_factory=dict)
    now: float = NOW
    thread: str = "run1"
    credential: CredentialRequirement = SCOPE
    more: list[Any] = field(default_factory=list)
    """Further services."""

    def __post_init__(self) -> None:
        self.records = AuditRecords(WITHOUT_MODEL_CALLS)
        self.service = EchoService("bank", self.credential, pay="paid", transfer="sent", balance="12")
        self.service.policies = dict(POLICIES)
        self.service.validators["pay"] = BoundedValidator(PAY_SCHEMA)
        other = EchoService("other", pay="other")
        other.schemas, other.tool_names = [], frozenset()  # not offered: only a forged state names it
        self.bench = Bench(
            self.turns,
            [self.service, other, *self.more],
            self.access_identity,
            {
                "store": self.store,
                "checkpointer": self.saver,
                "clock": lambda: self.now,
                "audit": AuditTrail(self.records),
                **self.options,
            },
        )
        self.graph = self.bench.graph

    @property
    def config(self) -> dict[str, Any]:
        return {"configurable": {"thread_id": self.thread}}

    async def ask(self, text: str = "Pay Ann 5", token: str = "alice-at") -> list[AnyMessage]:
        return await self.run({"messages": [("user", text)]}, token)

    async def resume(
        self, answers: dict[str, object] | None = None, token: str = "alice-at"
    ) -> list[AnyMessage]:
        """Continues the run for the caller of `token`, with their answers."""
        return await self.run(None, token, answers)

    async def respond(self, value: object, token: str = "alice-at") -> list[AnyMessage]:
        """Continues the run with LangGraph's resume value."""
        return await self.run(Command(resume=value), token)

    async def run(
        self, given: Any, token: str = "alice-at", answers: dict[str, object] | None = None, **config: Any
    ) -> list[AnyMessage]:
        thread_id = "t1" if self.thread == "run1" else f"thread of {self.thread}"
        context = AgentContext(Secret(token), thread_id=thread_id, answers=answers or {})
        configured = {"configurable": self.config["configurable"] | config}
        result = await self.graph.ainvoke(given, configured, context=context)
        return result["messages"]

    async def waiting(self) -> PendingApproval:
        """What the paused run asks for."""
        state = await self.graph.aget_state(self.config)
        (interrupted,) = state.interrupts
        return pending_of(interrupted.value)

    async def approval_id(self) -> str:
        """The id of the approval for which the paused run waits."""
        return (await self.waiting()).request.id

    async def approve(self, token: str = "alice-at", **members: object) -> list[AnyMessage]:
        """Approves what the run asks for."""
        return await self.resume({(await self.waiting()).request.id: {"approved": True, **members}}, token)

    @property
    def paid(self) -> list[dict[str, Any]]:
        """The arguments of the calls of `pay` that were made."""
        return [arguments for tool, arguments, _ in self.service.calls if tool == "pay"]


def result_of(messages: list[AnyMessage], call_id: str = "call_1") -> ToolMessage:
    """The only result of a call."""
    (result,) = [m for m in messages if isinstance(m, ToolMessage) and m.tool_call_id == call_id]
    return result


def forged(*named: tuple[str, dict[str, Any]]) -> AIMessage:
    """A response with calls that no model made."""
    return calls(*named).model_copy(update={"id": "forged"})
