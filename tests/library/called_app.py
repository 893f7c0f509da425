"""An application with governed tools, whose identity has its seams in memory."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import get_runtime
from langgraph.types import Command
from pydantic import PrivateAttr

from graph.error_codes import GraphCode
from http1.proxy import OF_PROCESS
from idaas_agent.library.governed_calls import KnownCalls
from idaas_agent.library.stored_approvals import StoredApprovals
from idaas_agent.library.tools import tools_of
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import AccessTokenRequirement
from identity.errors import AccessTokenError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.settings.key_files import ConversationKeys
from tests.audit_records import AuditRecords
from tests.clock import Clock
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens, Vault
from tools.approval_policy import ApprovalMode, ArgumentRule, Effect, ToolPolicy
from tools.service import ToolSchema

SCOPE = "https://bank.example|bank.pay"
PERMISSION = AccessTokenRequirement(SCOPE)
PAY = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
DENIED_ABOVE = ArgumentRule("amount", ">", 1000, ApprovalMode.DENY)


class Parts(SimpleNamespace):
    """As `IdentityParts`, a key of what was opened for them."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class MemoryIdentity:
    """An `OpenIdentity`: every token `<subject>-…` is that subject's."""

    def __init__(self, approvals: str | None = None, keys: ConversationKeys | None = None) -> None:
        self.settings: Any = SimpleNamespace(
            access_identity=AccessIdentity.HUMAN,
            approval_seconds=600.0,
            ssl_cert_file=None,
            conversations_key_file=keys,
        )
        self.proxies = OF_PROCESS
        self._approvals = approvals
        self.known_calls = self._knowing_nothing()
        self.tokens, self.vault, self.records = Tokens(), Vault(), AuditRecords()
        self.clock = Clock(time.time())
        self._parts = self._made()

    def forgets(self) -> None:
        """As after a restart of the process, whose application makes its tools at its start."""
        tools = self.known_calls.tools
        self.known_calls, self._parts = self._knowing_nothing(), self._made()
        self.known_calls.tools.update(tools)

    def _knowing_nothing(self) -> KnownCalls:
        url = self._approvals
        return KnownCalls(stored=None if url is None else StoredApprovals(Secret(url)))

    async def parts(self) -> Any:
        return self._parts

    async def required_caller(self) -> Any:
        try:
            token = get_runtime().context.access_token
        except (RuntimeError, KeyError, AttributeError):
            token = None
        if token is None:
            raise AccessTokenError(GraphCode.ACCESS_TOKEN_MISSING, "no caller")
        return await self.tokens.verify(token)

    def _made(self) -> Any:
        audit = AuditTrail(self.records, clock=self.clock)
        users = AsyncExitStack()
        return Parts(
            broker=self.vault, audit=audit, clock=self.clock, tls=None, users=users, settings=self.settings
        )


class Bank(EchoService):
    """`balance` reads, `pay` asks."""

    def __init__(self, **answers: Any) -> None:
        super().__init__("bank", PERMISSION, **{"balance": "5000", "pay": "paid", **answers})
        self.policies = {
            "balance": ToolPolicy(Effect.READ),
            "pay": ToolPolicy(Effect.WRITE, rules=(DENIED_ABOVE,)),
        }
        self.schemas = [
            ToolSchema("balance", "The balance.", {"type": "object", "properties": {}}),
            ToolSchema("pay", "Pays.", PAY),
        ]

    @property
    def paid(self) -> list[int]:
        """The amounts that were paid."""
        return [arguments["amount"] for tool, arguments, _ in self.calls if tool == "pay"]


def call(name: str, call_id: str, **arguments: Any) -> dict[str, Any]:
    """A call of a tool, in a response."""
    return {"name": name, "args": arguments, "id": call_id, "type": "tool_call"}


def pay(amount: int, call_id: str = "call_1") -> dict[str, Any]:
    """A call of `pay`."""
    return call("pay", call_id, amount=amount)


APPROVE = {"type": "approve"}
REJECT = {"type": "reject"}


def edit(amount: int, tool: str = "pay") -> dict[str, Any]:
    """The approval of another amount."""
    return {"type": "edit", "edited_action": {"name": tool, "args": {"amount": amount}}}


def decisions(*given: dict[str, Any], **members: Any) -> Command:
    """The answer to a question."""
    return Command(resume={"decisions": list(given), **members})


class ScriptedChat(BaseChatModel):
    """Makes these responses, one after another, to an agent of LangChain's."""

    turns: list[AIMessage]
    _asked: list[Any] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[Any]:
        return self._asked

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        return self

    def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        self._asked.append(messages)
        turn = self.turns[min(len(self._asked), len(self.turns)) - 1]
        return ChatResult(generations=[ChatGeneration(message=turn.model_copy())])


@dataclass
class Context:
    """The context of a run."""

    access_token: Secret | None = field(default=None, repr=False)


@dataclass
class CalledApp:
    """A graph whose one node makes the calls of the messages that it gets, and its runs in one thread."""

    identity: MemoryIdentity
    graph: Any
    thread: str = "thread-1"

    async def run(self, given: Any, user: str | None = "alice", **config: Any) -> dict[str, Any]:
        """The state after a run of `user`."""
        context = Context(None if user is None else Secret(f"{user}-at"))
        configurable = {"thread_id": self.thread, **config}
        return await self.graph.ainvoke(given, {"configurable": configurable}, context=context)

    async def ask(self, *calls: dict[str, Any], user: str | None = "alice") -> dict[str, Any]:
        """The state after a run in which the model makes `calls`."""
        response = AIMessage("", tool_calls=list(calls))
        return await self.run({"messages": [HumanMessage("Do it."), response]}, user)


def question_of(state: dict[str, Any]) -> dict[str, Any]:
    """The one question with which a run has paused."""
    (asked,) = state["__interrupt__"]
    value: dict[str, Any] = asked.value
    return value


def results(state: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The status and text of each result, by the id of its call."""
    found = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    return {message.tool_call_id: (message.status, str(message.text)) for message in found}


def in_a_graph(node: Any, checkpointer: Any) -> Any:
    """A graph of one node."""
    builder = StateGraph(MessagesState, context_schema=Context)
    builder.add_node("tools", node)
    builder.add_edge(START, "tools")
    builder.add_edge("tools", END)
    return builder.compile(checkpointer=checkpointer)


async def called_app(
    *services: Any,
    checkpointer: Any = None,
    together: bool = False,
    approvals: str | None = None,
    keys: ConversationKeys | None = None,
) -> CalledApp:
    """An application with the tools of `services` in LangGraph's `ToolNode`; `together` in ours."""
    from idaas_agent.library.tool_node import tool_node_of

    identity = MemoryIdentity(approvals, keys)
    tools = await tools_of(identity, services)
    node = tool_node_of(identity, tools) if together else ToolNode(tools)
    saver = InMemorySaver() if checkpointer is None else checkpointer
    return CalledApp(identity, in_a_graph(node, saver))
