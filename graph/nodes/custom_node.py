"""The operator's own nodes: visited like the others, for a verified caller, and with less than the others.

An own node gets what the operator's code gets (`graph.nodes.operator_code`). It returns texts for the user
and values of its own keys; it neither calls tools nor answers, changes or approves calls.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.runtime import Runtime

from graph.answer_form import AnswerForm, answer_form_of
from graph.callers import Visit
from graph.context import context_of, writer_of
from graph.error_codes import AnswerFormError
from graph.nodes.operator_code import GraphDefinitionError, OperatorVisit, State, run_isolated, show
from graph.state import SHARED_KEYS
from tools.approval_policy import Data, Trust

if TYPE_CHECKING:
    from graph.nodes.model import ModelNode


class CustomNode:
    """Calls a node of the operator's (`CallerNode`), and checks what it returns.

    Raises `InternalError` (`graph_node_failed`) with the place of the fault: its text may contain anything.
    Raises `AnswerFormError` for messages that are not the one answer in the form that the caller requests.
    """

    def __init__(self, name: str, node: Runnable[Any, Any], model: "ModelNode") -> None:
        self._name = name
        self._node = node
        self._model = model

    async def __call__(self, visit: Visit) -> dict[str, Any]:
        """The update of the state: messages of the agent, `instructions`, `context`, and own keys. A context
        that the node does not label is untrusted.
        """
        runtime = visit.runtime
        messages = visit.state["messages"]
        own = OperatorVisit(self._name, self._model, visit, through_middleware=True)

        async def checked(shown: State, config: RunnableConfig) -> dict[str, Any]:
            return _checked(await self._node.ainvoke(shown, config), own.redact)

        update = await own.run_isolated(checked)
        if update.get("context") and not own.has_labelled:
            own.label("context", Data.UNLABELLED, Trust.UNTRUSTED)
        if own.labels:
            update["read"] = own.labels
        form = answer_form_of(runtime)
        if form is not None and update.get("messages"):
            update["messages"] = [_only_answer(form, messages, update["messages"])]
        write = writer_of(runtime) if context_of(runtime).streaming else None
        if write is not None:
            follows = bool(messages) and isinstance(messages[-1], AIMessage)
            streamed = {response.id for response in own.asked}
            for message in update.get("messages", ()):
                if message.text and message.id not in streamed:
                    show(message, write, steps=context_of(runtime).steps, follows=follows)
        return update


def custom_route(source: str, path: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A condition of the operator's, after the node `source`: it gets the state without the credentials."""

    async def route(state: Any) -> Any:  # noqa: ANN401 - whatever it reads and returns
        return await run_isolated(source, state, path.ainvoke, Runtime(context=None))

    return RunnableLambda(route)


def _checked(update: object, redacted: Callable[[Any], Any]) -> dict[str, Any]:
    """`update` with the agent's messages, each with an id, and without a secret of the run in its values."""
    if update is None:
        return {}
    if not isinstance(update, Mapping):
        raise GraphDefinitionError(f"it must return a dict, found {type(update).__name__}")
    if taken := sorted(SHARED_KEYS & update.keys()):
        raise GraphDefinitionError(f"it must not write {', '.join(taken)}")
    own = {name: value for name, value in update.items() if name != "messages"}
    try:
        checked: dict[str, Any] = redacted(json.loads(json.dumps(own)))
    except (TypeError, ValueError, RecursionError):
        raise GraphDefinitionError("its values must be JSON") from None
    if not isinstance(update.get("context", ""), str):
        raise GraphDefinitionError("its context must be a text")
    written = update.get("messages")
    if written:
        listed = written if isinstance(written, list) else [written]
        messages = convert_to_messages(listed)
        if any(type(message) is not AIMessage or message.tool_calls for message in messages):
            raise GraphDefinitionError("its messages must be of type AIMessage, without calls of tools")
        checked["messages"] = [_own_message(message, redacted) for message in messages]
    return checked


def _only_answer(form: AnswerForm, before: Sequence[AnyMessage], written: Sequence[AIMessage]) -> AIMessage:
    """The message of `written`, in `form`. Raises `AnswerFormError`, also for one beside another answer."""
    last = before[-1] if before else None
    is_further = isinstance(last, AIMessage) and last.id != written[0].id
    if is_further or len(written) > 1:
        raise AnswerFormError("$")
    end = {"finish_reason": "stop"} | written[0].response_metadata
    return form.required(written[0].model_copy(update={"response_metadata": end}))


def _own_message(message: BaseMessage, redacted: Callable[[Any], Any]) -> BaseMessage:
    """`message` with an id, and as its text without a secret of the run."""
    update = {"content": redacted(str(message.text)), "id": message.id or f"own-{uuid.uuid4()}"}
    return message.model_copy(update=update)
