"""The operator's own nodes: visited like the others, for a verified caller, and with less than the others.

An own node gets the state without the credentials, and a context without the access token. It returns texts
for the user and values of its own keys; it neither calls tools nor answers, changes or approves calls. Its
code runs in the agent's process, whose memory it could read: this protects from mistakes, not from its
author.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, ensure_config
from langchain_core.runnables.config import set_config_context
from langgraph._internal._constants import CONFIG_KEY_RUNTIME
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter

from graph.context import AgentContext, context_of, writer_of
from graph.credentials.service_credentials import secrets_of
from graph.error_codes import GraphCode
from graph.events import MAX_CHARACTERS, TOO_LONG, OwnEvent, ResponseStarted, TextEvent
from graph.nodes.model import ModelNode
from graph.state import SHARED_KEYS, AgentState
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, InternalError
from identity.observation.failure import place_of
from identity.principal import Caller
from identity.secrets.redaction import Redactor


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The context of an own node: `async def guardrail(state: State, runtime: Runtime[NodeContext])`."""

    caller: Caller
    """The verified user, or client, for whom the node is visited."""
    _ask: Callable[[Sequence[AnyMessage], bool], Awaitable[AIMessage]] = field(repr=False, compare=False)

    async def ask(self, messages: Sequence[Any], *, shown: bool = False) -> AIMessage:
        """The model's response to `messages`, without tools: with the caller's key, on record.

        With `shown`, its text is streamed to the user, if their surface streams; return it as a message too.
        Raises `ServiceError` for the model, and `CredentialError` or `UnreachableError` for its key.
        """
        return await self._ask(cast(Sequence[AnyMessage], convert_to_messages(messages)), shown)


class OwnNode:
    """Calls a node of the operator's (`CallerNode`), and checks what it returns.

    Raises `InternalError` (`graph_node_failed`) with the place of the fault: its text may contain anything.
    """

    def __init__(self, name: str, node: Runnable[Any, Any], model: ModelNode) -> None:
        self._name = name
        self._node = node
        self._model = model

    async def __call__(
        self, state: AgentState, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> dict[str, Any]:
        """The update of the state: messages of the agent, `instructions`, and own keys."""
        redactor = Redactor(secrets_of(state, caller))
        write = writer_of(runtime) if context_of(runtime).streaming else None
        asked: list[AIMessage] = []
        of_run = copy_context()  # by which LangGraph finds the streams of the run

        async def ask(messages: Sequence[AnyMessage], shown: bool) -> AIMessage:
            asking = self._model.ask(messages, state, caller, runtime, shown=shown)
            response = await asyncio.create_task(asking, context=of_run.copy())
            if shown:
                asked.append(response)
            return response

        context = NodeContext(caller.caller, ask)
        events = _own_writer(self._name, writer_of(runtime), redactor, of_run)
        own = Runtime(context=context, store=runtime.store, stream_writer=events)
        try:
            update = _checked(await _called(self._node, state, own), redactor)
        except AgentError:
            raise
        except Exception as fault:  # noqa: BLE001 - the operator's code raises anything
            raise node_fault(self._name, fault) from None
        if write is not None:
            follows = bool(state["messages"]) and isinstance(state["messages"][-1], AIMessage)
            for message in update.get("messages", ()):
                if message.text and all(message.id != each.id for each in asked):
                    _show(message, write, steps=context_of(runtime).steps, follows=follows)
        return update


def own_route(source: str, path: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A condition of the operator's, after the node `source`: it gets the state without the credentials."""

    async def route(state: Any) -> Any:  # noqa: ANN401 - whatever it reads and returns
        try:
            return await _called(path, state, Runtime(context=None))
        except Exception as fault:  # noqa: BLE001 - as above
            raise node_fault(source, fault) from None

    return RunnableLambda(route)


def node_fault(name: str, fault: Exception) -> InternalError:
    """What `fault`, which the node or condition raised, becomes: its type and place."""
    text = fault.args[0] if isinstance(fault, OwnGraphError) else f"it raised {type(fault).__name__}"
    return InternalError(GraphCode.GRAPH_NODE_FAILED, f'node "{name}": {text} at {place_of(fault)}')


class OwnGraphError(ValueError):
    """A fault of the operator's graph, in words of the agent."""


async def _called(node: Runnable[Any, Any], state: Any, runtime: Runtime[Any]) -> Any:  # noqa: ANN401 - see above
    """`node` in a configuration that has nothing of the run's but its callbacks: not the access token, the
    checkpointer, or what a server adds.
    """
    shown = {name: value for name, value in state.items() if name != "credentials"}
    config: RunnableConfig = {
        "callbacks": ensure_config().get("callbacks"),
        "configurable": {CONFIG_KEY_RUNTIME: runtime},
    }
    with set_config_context(config) as context:
        return await asyncio.create_task(node.ainvoke(shown, config), context=context)


def _checked(update: object, redactor: Redactor) -> dict[str, Any]:
    """`update` with the agent's messages, each with an id, and without a secret of the run in its values."""
    if update is None:
        return {}
    if not isinstance(update, Mapping):
        raise OwnGraphError(f"it must return a dict, found {type(update).__name__}")
    if taken := sorted(SHARED_KEYS & update.keys()):
        raise OwnGraphError(f"it must not write {', '.join(taken)}")
    own = {name: value for name, value in update.items() if name != "messages"}
    try:
        checked: dict[str, Any] = redactor.redact(json.loads(json.dumps(own)))
    except (TypeError, ValueError, RecursionError):
        raise OwnGraphError("its values must be JSON") from None
    if given := update.get("messages"):
        messages = convert_to_messages(given if isinstance(given, list) else [given])
        if any(type(each) is not AIMessage or each.tool_calls for each in messages):
            raise OwnGraphError("its messages must be of type AIMessage, without calls of tools")
        checked["messages"] = [
            each.model_copy(
                update={"content": redactor.redact(str(each.text)), "id": each.id or f"own-{uuid.uuid4()}"}
            )
            for each in messages
        ]
    return checked


def _show(message: AIMessage, write: StreamWriter, *, steps: bool, follows: bool) -> None:
    """Streams a message of an own node. A surface that shows no messages gets a blank line before it."""
    if steps:
        write(ResponseStarted(type="response_started", message_id=str(message.id)))
    text = str(message.text)
    write(TextEvent(type="content", text=f"\n\n{text}" if follows and not steps else text))


def _own_writer(name: str, write: StreamWriter, redactor: Redactor, of_run: Context) -> StreamWriter:
    """The `stream_writer` of an own node: each JSON value becomes one event, `OwnEvent`. Also from a thread,
    in which LangGraph runs a node that is no coroutine.
    """
    loop = asyncio.get_running_loop()

    def write_own(value: Any) -> None:  # noqa: ANN401 - any JSON
        text = json.dumps(value)
        shown = redactor.redact(json.loads(text)) if len(text) <= MAX_CHARACTERS else dict(TOO_LONG)
        event = OwnEvent(type="custom", step=name, value=shown)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            loop.call_soon_threadsafe(write, event, context=of_run.copy())
        else:
            of_run.copy().run(write, event)

    return write_own
