"""The operator's code in a run: what it gets of the run, and how its faults are known.

A node of the operator's and the hooks of middleware get the state without the credentials, and a context
without the access token. They run in the agent's process, whose memory they could read: this protects from
mistakes, not from their author.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from langchain_core.messages import AIMessage, AnyMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import set_config_context, var_child_runnable_config
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter

from graph.answer_form import AnswerForm, answer_form_of, answered
from graph.callers import Visit
from graph.context import context_of, writer_of
from graph.credentials.service_credentials import secrets_of
from graph.error_codes import GraphCode
from graph.events import MAX_CHARACTERS, TOO_LONG, OwnEvent, ResponseStarted, TextEvent
from graph.labels.data_labels import joined, labelled_source
from graph.labels.run_labels import note_labels
from graph.langgraph_internals import CONFIG_KEY_RUNTIME
from identity.errors import AgentError, AuditError, InternalError
from identity.observation.failure import place_of
from identity.principal import Caller
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from tools.approval_policy import Data, Trust

if TYPE_CHECKING:
    from graph.nodes.model import ModelNode


T = TypeVar("T")
State: TypeAlias = Mapping[str, Any]
Work: TypeAlias = Callable[[State, RunnableConfig], Coroutine[Any, Any, T]]


class GraphDefinitionError(ValueError):
    """A fault of the operator's graph, in words of the agent."""


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The context of an own node: `async def guardrail(state: State, runtime: Runtime[NodeContext])`."""

    caller: Caller
    """The verified user, or client, for whom the node is visited."""
    _ask: Callable[[Sequence[AnyMessage], bool], Awaitable[AIMessage]] = field(repr=False, compare=False)
    _label: Callable[[str, Data, Trust], None] = field(repr=False, compare=False)

    async def ask(
        self, messages: Sequence[Any], *, shown: bool = False, schema: Mapping[str, Any] | None = None
    ) -> AIMessage:
        """The model's response to `messages`, without tools: with the caller's key, on record.

        With `shown`, its text is streamed to the user, if their surface streams; return it as a message too.
        For a caller who requests a form of the answer, it is shown when it is returned.
        With `schema`, the JSON Schema of an object, its text is JSON that fits: a response that does not is
        requested once more. `AnswerForm` says what is not checked.

        Raises `ServiceError` for the model, also for a response that does not fit twice, and
        `CredentialError` or `UnreachableError` for its key; `ValueError` for a schema that cannot be used, or
        that is `shown`, too.
        """
        asked = cast(Sequence[AnyMessage], convert_to_messages(messages))
        if schema is None:
            return await self._ask(asked, shown)
        if shown:
            raise ValueError("a response with a schema is not shown")
        return await answered(AnswerForm(schema), lambda messages: self._ask(messages, False), asked)

    def label(self, source: str, *, data: Data = Data.UNLABELLED, trust: Trust = Trust.UNTRUSTED) -> None:
        """Labels what the node has read from `source`, a name for people: as the result of a tool does, it
        counts for the rest of the conversation. Call it before what was read is returned.

        Raises `ValueError` for a source that is not of 1 to 64 letters, digits, `_` and `-`.
        """
        self._label(source, data, trust)


class OperatorVisit:
    """One visit of the operator's code: what it gets of the run. `obtained` are the secrets that the visit
    obtains, which may be more at each look.
    """

    def __init__(
        self,
        name: str,
        model: "ModelNode",
        visit: Visit,
        obtained: Sequence[Secret] = (),
        *,
        through_middleware: bool = False,
    ) -> None:
        """With `through_middleware`, what the code asks the model passes the hooks around the model."""
        state, caller, runtime = self._visit = visit
        self._name = name
        self._model = model
        self._of_run = copy_context()  # by which LangGraph finds the streams of the run
        self._unrecorded: list[AuditError] = []
        self.asked: Final[list[AIMessage]] = []
        """The responses that were shown."""
        self.labels: Final[dict[str, str]] = {}
        """The labels of what was read in this visit."""
        self.kept: dict[str, Any] = {}
        """What middleware keeps for the next response of the run."""
        self.has_labelled = False
        """Whether the code said what it has read, perhaps that nothing holds it."""
        self._secrets = secrets_of(state, caller)
        self._obtained = obtained
        self._through_middleware = through_middleware
        write = _writer_of_events(name, writer_of(runtime), self.redact, self._of_run)
        context = NodeContext(caller.caller, self._ask, self.label)
        self.runtime: Final = Runtime(context=context, store=runtime.store, stream_writer=write)

    @property
    def writer(self) -> StreamWriter | None:
        """Where the agent writes what is shown of a response; `None` if the surface does not stream."""
        runtime = self._visit.runtime
        return writer_of(runtime) if context_of(runtime).streaming else None

    @property
    def has_steps(self) -> bool:
        """Whether events name the messages that pieces belong to."""
        return context_of(self._visit.runtime).steps

    def redact(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """`value` without the secrets of the run."""
        return redact(value, [*self._secrets, *self._obtained])

    def label(self, source: str, data: Data, trust: Trust) -> None:
        """See `NodeContext.label`."""
        labels = labelled_source(self._name, source, data, trust)
        self.has_labelled = True
        self.labels.update(joined(self.labels, labels))
        note_labels(self._visit.runtime, labels)

    async def run_isolated(self, work: Work[T]) -> T:
        """As the function of this name. A call that could not be recorded is raised, whatever `work` makes of
        that.
        """
        try:
            return await run_isolated(self._name, self._visit.state, work, self.runtime)
        finally:
            for error in self._unrecorded:
                raise error

    async def run_in_agent(self, work: Coroutine[Any, Any, T], *, streamed: bool = True) -> T:
        """The result of the agent's own `work`, of which LangGraph's streams show what is `streamed`."""
        context = self._of_run.copy()
        if not streamed:
            context.run(var_child_runnable_config.set, None)
        try:
            return await asyncio.create_task(work, context=context)
        except AuditError as error:
            self._unrecorded.append(error)
            raise

    async def _ask(self, messages: Sequence[AnyMessage], shown: bool) -> AIMessage:
        if answer_form_of(self._visit.runtime) is not None:
            shown = False  # an answer in a form is shown once it fits
        if self._through_middleware and self._model.middleware.turn is not None:
            response = await self._asked_through_middleware(messages, shown=shown)
        else:
            response = await self.run_in_agent(self._model.ask(messages, self._visit, shown=shown))
        if shown:
            self.asked.append(response)
        return response

    async def _asked_through_middleware(self, messages: Sequence[AnyMessage], *, shown: bool) -> AIMessage:
        """The response to a node's question that the hooks leave. What hooks ask passes none."""
        state = self._visit.state.copy()
        state["messages"] = list(messages)
        state["hooked"] = {}
        visit = self._visit._replace(state=state)
        ask_model = partial(self._model.ask, visit=visit)

        async def asked_in_run() -> tuple[AIMessage, OperatorVisit]:
            hooks = OperatorVisit(self._name, self._model, visit, self._obtained)
            response, _ = await self._model.middleware.response(hooks, ask_model, shown=shown)
            return response, hooks

        response, hooks = await self.run_in_agent(asked_in_run())
        self.labels.update(joined(self.labels, hooks.labels))
        return response


async def run_isolated(name: str, state: State, work: Work[T], runtime: Runtime[Any]) -> T:
    """The result of the operator's `work`, in a configuration with nothing of the run's but its callbacks:
    not the access token, the checkpointer, or what a server adds. Its faults are those of the node `name`, by
    type and place.
    """
    without_credentials = {name: value for name, value in state.items() if name != "credentials"}
    config: RunnableConfig = {
        "callbacks": ensure_config().get("callbacks"),
        "configurable": {CONFIG_KEY_RUNTIME: runtime},
    }
    try:
        with set_config_context(config) as context:
            return await asyncio.create_task(work(without_credentials, config), context=context)
    except AgentError:
        raise
    except Exception as fault:  # noqa: BLE001 - the operator's code raises anything
        text = f"it raised {type(fault).__name__}"
        if isinstance(fault, GraphDefinitionError):
            text = fault.args[0]
        detail = f'node "{name}": {text} at {place_of(fault)}'
        raise InternalError(GraphCode.GRAPH_NODE_FAILED, detail) from None


def show(message: AIMessage, write: StreamWriter, *, steps: bool, follows: bool = False) -> None:
    """Streams a message of an own node. A surface that shows no messages gets a blank line before it."""
    if steps:
        write(ResponseStarted(type="response_started", message_id=str(message.id)))
    text = str(message.text)
    if not text:
        return
    if follows and not steps:
        text = f"\n\n{text}"
    write(TextEvent(type="content", text=text))


def _writer_of_events(
    name: str, write: StreamWriter, redacted: Callable[[Any], Any], of_run: Context
) -> StreamWriter:
    """The `stream_writer` of an own node: each JSON value becomes one event, `OwnEvent`. Also from a thread,
    in which LangGraph runs a node that is no coroutine.
    """
    loop = asyncio.get_running_loop()

    def write_own(value: Any) -> None:  # noqa: ANN401 - any JSON
        text = json.dumps(value)
        shown: Any = dict(TOO_LONG)
        if len(text) <= MAX_CHARACTERS:
            shown = redacted(json.loads(text))
        event = OwnEvent(type="custom", step=name, value=shown)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            loop.call_soon_threadsafe(write, event, context=of_run.copy())
        else:
            of_run.copy().run(write, event)

    return write_own
