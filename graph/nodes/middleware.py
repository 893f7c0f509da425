"""LangChain's middleware around the model and the calls of tools: the operator's code, as own nodes are.

A hook gets what an own node gets (`graph.nodes.operator_code`). What it makes of messages is for the model:
the conversation keeps them. A synchronous `before_model`, which asks nobody, is called again for what the
model reads again, so that what it replaced stays replaced. What it chooses of tools and models is checked
(`graph.nodes.hooked_response`); what it makes of a call is decided about by the gate, as what the model
requests. What it keeps under keys of its own lasts for a run.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException
from langgraph.prebuilt.tool_node import ToolCallRequest

from graph.approvals.policy import Deny
from graph.call_arguments import are_valid_arguments
from graph.nodes.agent_model import ASK, AgentModel
from graph.nodes.hooked_response import HOOKED, AskModel, HookedResponse, Pieces, Prompt
from graph.nodes.operator_code import GraphDefinitionError, NodeContext, OperatorVisit, State, show
from tools.service import ToolSchema

_ELSEWHERE: Final = {
    "SummarizationMiddleware": (
        "would summarise the conversation anew at every question, because what was written is kept: "
        "the setting of the conversation's tokens bounds what the model reads of it"
    ),
    "HumanInTheLoopMiddleware": (
        "asks by an interrupt of its own, which no surface shows: "
        "the policy of a tool asks, and the agent's approvals are the question"
    ),
    "ToolCallLimitMiddleware": (
        "answers calls in place of the agent, which no record would have: "
        "the setting of the tool rounds bounds a run, and a policy the calls of a tool"
    ),
    "ProviderToolSearchMiddleware": (
        "adds a tool of the provider: "
        "tools belong to a service, which declares their policies and credentials"
    ),
}
"""What LangChain's own middleware would do, by its name, and what does it here."""
Make: TypeAlias = Callable[..., Coroutine[Any, Any, ToolMessage]]
_OF_RUNS: Final = ("before_agent", "after_agent")
_WRAPS: Final = ("wrap_model_call", "wrap_tool_call")
_OF_MODEL: Final = ("before_model", "abefore_model", "awrap_model_call", "after_model", "aafter_model")


class Middleware:
    """The middleware of one graph, outermost first. There is none until `build_graph` adds it."""

    def __init__(self) -> None:
        self.around_calls: list[Callable[..., Awaitable[Any]]] = []
        """The hooks around calls of tools."""
        self.replacing: list[Any] = []
        """Middleware whose synchronous hook before the model may replace messages, outermost first."""
        self.turn: Any = None
        """LangChain's graph of one response, if a hook is for the model. It makes no calls of tools."""
        self.keys: Sequence[str] = ()
        """The keys of their own that the hooks around the model have in their state."""
        self.streams = False
        """Whether a response is shown as it arrives, before the hooks have seen it whole."""

    def add(self, middleware: Sequence[Any], *, streams: bool = False) -> None:
        """Raises `GraphDefinitionError` with each reason for what is not supported, and as LangChain does."""
        from langchain.agents import create_agent  # not installed with the agent
        from langchain.agents.middleware import AgentMiddleware

        class OfferedTools(AgentMiddleware):
            """The outermost: the tools of this request."""

            async def awrap_model_call(self, request: Any, handler: Any) -> Any:  # noqa: ANN401 - LangChain's
                return await handler(request.override(tools=HOOKED.get().tools()))

        class AskedModel(AgentMiddleware):
            """The innermost: the agent requests what the hooks leave, whatever the model."""

            async def awrap_model_call(self, request: Any, _: Any) -> Any:  # noqa: ANN401 - LangChain's
                return await HOOKED.get().respond(request)

        for part in middleware:
            if faults := list(_faults(part, streams=streams)):
                raise GraphDefinitionError(f'middleware "{part.name}" {"; it ".join(faults)}')
        self.streams = streams
        self.replacing = [part for part in middleware if _has(part, "before_model")]
        self.around_calls = [part.awrap_tool_call for part in middleware if _has(part, "awrap_tool_call")]
        around_model = [part for part in middleware if _has(part, *_OF_MODEL)]
        if around_model:
            hooks = [OfferedTools(), *around_model, AskedModel()]
            made = create_agent(AgentModel(), middleware=hooks, context_schema=NodeContext)
            self.keys = sorted(set().union(*map(_own_keys, around_model)))
            builder: Any = made.builder
            # Also those that LangChain takes for private, which no input and no output of the graph has.
            builder.input_schema = builder.output_schema = builder.state_schema
            stops = ["tools"] if "tools" in made.builder.nodes else None
            self.turn = made.builder.compile(interrupt_before=stops)

    async def response(
        self,
        visit: OperatorVisit,
        ask_model: AskModel,
        *,
        tools: Sequence[ToolSchema] = (),
        prompt: Prompt = list,
        shown: bool,
    ) -> tuple[AIMessage, Collection[str]]:
        """The response that the hooks leave, and the tools among `tools` that the model could call.

        `prompt` makes what is sent of the messages that the hooks leave. `shown`: where the surface streams.
        """
        write = visit.writer if shown else None
        streams = self.streams and shown
        pieces = Pieces(write) if write is not None and streams else None
        offered = {tool.name: tool for tool in tools}
        hooked = HookedResponse(visit, ask_model, prompt, offered, streams, pieces)

        async def turn(state: State, config: RunnableConfig) -> AIMessage:
            read = [message.model_copy(deep=True) for message in state["messages"]]
            for message in read:
                message.id = message.id or uuid.uuid4().hex
            read = await self._replaced(read, visit)
            HOOKED.set(hooked)
            ASK.set(hooked.ask)
            kept = state.get("hooked", {})
            given = {"messages": read, **{key: kept[key] for key in self.keys if key in kept}}
            result = await self.turn.ainvoke(given, config, context=visit.runtime.context)
            visit.kept = self._kept(result, visit)
            last = result["messages"][-1]
            is_earlier = any(message.id == last.id for message in read)
            if type(last) is not AIMessage or is_earlier:
                raise GraphDefinitionError(
                    "the last message that middleware leaves must be a response of the model"
                )
            hooked.check(last)
            return last

        response = await visit.run_isolated(turn)
        if write is not None and not (pieces and pieces.begun):
            show(response, write, steps=visit.has_steps)
        chosen: Collection[str] = offered if hooked.chosen is None else hooked.chosen
        return response, chosen

    def _kept(self, result: Mapping[str, Any], visit: OperatorVisit) -> dict[str, Any]:
        """The state that the hooks keep for the next response, without a secret of the run."""
        kept = {key: result[key] for key in self.keys if key in result}
        try:
            redacted: dict[str, Any] = visit.redact(json.loads(json.dumps(kept)))
        except (TypeError, ValueError, RecursionError):
            raise GraphDefinitionError("what middleware keeps in its state must be JSON") from None
        return redacted

    async def _replaced(self, read: list[AnyMessage], visit: OperatorVisit) -> list[AnyMessage]:
        """The messages as the hooks left them in the earlier requests, each of which ended with a question or
        with results. A hook that removes messages, or ends the run, changes nothing of later requests.
        """
        if not self.replacing:
            return read
        for end in range(1, len(read)):
            if isinstance(read[end], AIMessage | HumanMessage) and not isinstance(read[end - 1], AIMessage):
                read = await self._replaced_before(end, read, visit)
        return read

    async def _replaced_before(
        self, end: int, read: list[AnyMessage], visit: OperatorVisit
    ) -> list[AnyMessage]:
        earlier = read[:end]
        for part in self.replacing:
            update = await asyncio.to_thread(part.before_model, {"messages": earlier}, visit.runtime)
            changed = update.get("messages", ()) if isinstance(update, Mapping) else ()
            by_id = {message.id: message for message in changed if message.id is not None}
            earlier = [_same_kind(message, by_id.get(message.id)) for message in earlier]
        return [*earlier, *read[end:]]

    async def call(
        self, visit: OperatorVisit, call: ToolCall, *, made: Make, again: Make, refused: Make
    ) -> ToolMessage:
        """The result of `call`: `made` makes it, `again` once more, `refused` records that it is not made.

        For the hooks, a failure is a `ToolException`.
        """
        results: list[ToolMessage] = []
        makes = iter([made])

        async def handler(request: ToolCallRequest) -> ToolMessage:
            wanted = request.tool_call
            if {**wanted, "args": 0} != {**call, "args": 0} or not are_valid_arguments(wanted["args"]):
                raise GraphDefinitionError(
                    "middleware changes nothing of a call but its arguments, which are JSON"
                )
            results.append(await visit.run_in_agent(next(makes, again)(wanted)))
            if results[-1].artifact.get("error"):
                raise ToolException(str(results[-1].text))
            return results[-1]

        async def wrapped(state: State, _: RunnableConfig) -> ToolMessage:
            handle: Any = handler
            for hook in reversed(self.around_calls):
                handle = partial(hook, handler=handle)
            runtime: Any = visit.runtime
            try:
                result = await handle(ToolCallRequest({**call}, None, state, runtime))
            except ToolException:
                if not results or not results[-1].artifact.get("error"):
                    raise
                return results[-1]
            if getattr(result, "tool_call_id", None) != call["id"]:
                raise GraphDefinitionError("awrap_tool_call must return the ToolMessage of its call")
            text = visit.redact(str(result.text))
            if not results:
                results.append(await visit.run_in_agent(refused(call, Deny(reason=text))))
            return results[-1].model_copy(update={"content": text, "status": result.status})

        return await visit.run_isolated(wrapped)


def _same_kind(message: AnyMessage, replaced: AnyMessage | None) -> AnyMessage:
    """`replaced`, if there is one of the same type."""
    return replaced if replaced is not None and type(replaced) is type(message) else message


def _has(middleware: object, *hooks: str) -> bool:
    """Whether the middleware has one of `hooks`."""
    from langchain.agents.middleware import AgentMiddleware

    return any(getattr(type(middleware), hook) is not getattr(AgentMiddleware, hook) for hook in hooks)


def _own_keys(middleware: Any) -> set[str]:  # noqa: ANN401 - LangChain's
    """The keys of its state that are not every agent's."""
    from langchain.agents import AgentState

    return set(middleware.state_schema.__annotations__) - set(AgentState.__annotations__)


def _faults(middleware: Any, *, streams: bool) -> Iterator[str]:  # noqa: ANN401 - LangChain's
    """Why the middleware is not supported: each reason once."""
    for kind in type(middleware).__mro__:
        if reason := _ELSEWHERE.get(kind.__name__):
            yield reason
            return
    if getattr(middleware, "tools", ()):
        yield "has tools: tools belong to a service, which declares their policies and credentials"
    keys = ", ".join(sorted(_own_keys(middleware)))
    if keys and _has(middleware, "awrap_tool_call"):
        yield f"has a state of its own ({keys}), which a hook around calls does not get"
    if getattr(middleware, "thread_limit", None) is not None:
        yield "has a thread_limit: what it counts lasts for a run, so that only run_limit holds"
    for hook in _OF_RUNS:
        if _has(middleware, hook, f"a{hook}"):
            yield f"has {hook}: add a node of your own, as first or last of build_graph"
    for hook in _WRAPS:
        if _has(middleware, hook) and not _has(middleware, f"a{hook}"):
            yield f"has {hook} without a{hook}, which the agent calls"
    changes_output = getattr(middleware, "apply_to_output", True)  # `PIIMiddleware` says so of its hook
    if streams and changes_output and _has(middleware, "after_model", "aafter_model"):
        yield "has after_model, which gets a whole response: streams must be false"
