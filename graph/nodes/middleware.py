"""LangChain's middleware around the model and the calls of tools: the operator's code, as own nodes are.

A hook gets what an own node gets (`graph.nodes.own`). What it makes of messages is for the model: the
conversation keeps them. A synchronous `before_model`, which asks nobody, is called again for what the model
reads again, so that what it replaced stays replaced. What it makes of a call is decided about by the gate,
as what the model requests.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException
from langgraph.prebuilt.tool_node import ToolCallRequest

from graph.approvals.gate import Refused
from graph.call_arguments import are_valid_arguments
from graph.nodes.own import NodeContext, OwnGraphError, OwnVisit, State
from tools.lent_agent import LentModel

_SUMMARIES: Final = "SummarizationMiddleware"
_ANEW: Final = (
    "would summarise the conversation anew at every question, because what was written is kept; "
    "the setting of the conversation's tokens bounds what the model reads of it"
)
Respond: TypeAlias = Callable[[Sequence[AnyMessage]], Coroutine[Any, Any, AIMessage]]
Make: TypeAlias = Callable[..., Coroutine[Any, Any, ToolMessage]]
_RESPOND: Final[ContextVar[Respond]] = ContextVar("idaas_agent.respond")
_OF_RUNS: Final = ("before_agent", "abefore_agent", "after_agent", "aafter_agent")
_WRAPS: Final = ("wrap_model_call", "wrap_tool_call")
_UNSUPPORTED: Final = "must have no tools, state or hooks of the run, and hooks that wrap in async form"
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

    def add(self, middleware: Sequence[Any]) -> None:
        """Raises `OwnGraphError` for what is not supported, and what LangChain raises."""
        from langchain.agents import AgentState, create_agent  # not installed with the agent
        from langchain.agents.middleware import AgentMiddleware

        def has(each: object, *names: str) -> bool:
            return any(getattr(type(each), name) is not getattr(AgentMiddleware, name) for name in names)

        class Model(AgentMiddleware):
            """The innermost: the agent's model, unless middleware has put in one of its own."""

            async def awrap_model_call(self, request: Any, handler: Any) -> Any:  # noqa: ANN401 - LangChain's
                if not isinstance(request.model, LentModel):
                    return await handler(request)
                if request.tools or request.tool_choice or request.model_settings or request.response_format:
                    raise OwnGraphError("middleware must not set the tools or options of the agent's model")
                system = [request.system_message] if request.system_message else []
                return await _RESPOND.get()([*system, *request.messages])

        for each in middleware:
            more = each.state_schema.__annotations__.keys() - AgentState.__annotations__.keys()
            sync = any(has(each, hook) and not has(each, f"a{hook}") for hook in _WRAPS)
            if more or sync or getattr(each, "tools", ()) or has(each, *_OF_RUNS):
                raise OwnGraphError(f'middleware "{each.name}" {_UNSUPPORTED}')
            if any(kind.__name__ == _SUMMARIES for kind in type(each).__mro__):
                raise OwnGraphError(f'middleware "{each.name}" {_ANEW}')
        self.replacing = [each for each in middleware if has(each, "before_model")]
        self.around_calls = [each.awrap_tool_call for each in middleware if has(each, "awrap_tool_call")]
        around_model = [each for each in middleware if has(each, *_OF_MODEL)]
        if around_model:
            made = create_agent(LentModel(), middleware=[*around_model, Model()], context_schema=NodeContext)
            stops = ["tools"] if "tools" in made.builder.nodes else None
            self.turn = made.builder.compile(interrupt_before=stops)

    async def response(self, visit: OwnVisit, respond: Respond) -> AIMessage:
        """The response that the hooks leave. `respond` asks the model."""

        async def turn(state: State, config: RunnableConfig) -> AIMessage:
            read = [message.model_copy(deep=True) for message in state["messages"]]
            for message in read:
                message.id = message.id or uuid.uuid4().hex
            read = await self._replaced(read, visit)
            _RESPOND.set(lambda messages: visit.in_run(respond(messages), quiet=True))
            result = await self.turn.ainvoke({"messages": read}, config, context=visit.runtime.context)
            last, known = result["messages"][-1], {message.id for message in read}
            if type(last) is not AIMessage or last.id in known:
                raise OwnGraphError("the last message that middleware leaves must be a response of the model")
            return last

        return await visit.apart(turn)

    async def _replaced(self, read: list[AnyMessage], visit: OwnVisit) -> list[AnyMessage]:
        """The messages as the hooks left them in the earlier requests, each of which ended with a question or
        with results. A hook that removes messages, or ends the run, changes nothing of later requests.
        """
        for end in range(1, len(read)) if self.replacing else ():
            if isinstance(read[end], AIMessage | HumanMessage) and not isinstance(read[end - 1], AIMessage):
                read = await self._replaced_before(end, read, visit)
        return read

    async def _replaced_before(self, end: int, read: list[AnyMessage], visit: OwnVisit) -> list[AnyMessage]:
        earlier, rest = read[:end], read[end:]
        for each in self.replacing:
            update = await asyncio.to_thread(each.before_model, {"messages": earlier}, visit.runtime)
            changed = update.get("messages", ()) if isinstance(update, Mapping) else ()
            by_id = {message.id: message for message in changed if message.id is not None}
            earlier = [_same_kind(message, by_id.get(message.id)) for message in earlier]
        return [*earlier, *rest]

    async def call(
        self, visit: OwnVisit, call: ToolCall, *, made: Make, again: Make, refused: Make
    ) -> ToolMessage:
        """The result of `call`: `made` makes it, `again` once more, `refused` records that it is not made.

        For the hooks, a failure is a `ToolException`.
        """
        results, makes = list[ToolMessage](), iter([made])

        async def handler(request: ToolCallRequest) -> ToolMessage:
            wanted = request.tool_call
            if {**wanted, "args": 0} != {**call, "args": 0} or not are_valid_arguments(wanted["args"]):
                raise OwnGraphError("middleware changes nothing of a call but its arguments, which are JSON")
            results.append(await visit.in_run(next(makes, again)(wanted)))
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
                raise OwnGraphError("awrap_tool_call must return the ToolMessage of its call")
            text = visit.redact(str(result.text))
            last = results[-1] if results else await visit.in_run(refused(call, Refused(text)))
            return last.model_copy(update={"content": text, "status": result.status})

        return await visit.apart(wrapped)


def _same_kind(message: AnyMessage, replaced: AnyMessage | None) -> AnyMessage:
    """`replaced`, if there is one of the same type."""
    return replaced if replaced is not None and type(replaced) is type(message) else message
