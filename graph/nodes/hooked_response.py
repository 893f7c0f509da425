"""One response of the model with the operator's hooks around it: what they choose, and who responds.

The hooks get the offered tools as LangChain's: they choose among them, and neither call, change nor add any.
They may put in another model: one of the agent's (`AgentModel`), or a chat model of their own
(`OwnChatModel`). The agent makes each request, within its limits and on record, whatever the model.
"""

import copy
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.tools import BaseTool
from langgraph.types import StreamWriter

from graph.models.own_chat_model import OwnChatModel
from graph.nodes.agent_model import AgentModel
from graph.nodes.operator_code import GraphDefinitionError, OperatorVisit
from graph.tool_calls.tool_catalog import api_tool
from identity.errors import AgentError
from identity.observation.failure import log_failure
from tools.service import ToolSchema

Prompt: TypeAlias = Callable[[Sequence[AnyMessage]], Sequence[AnyMessage]]


class AskModel(Protocol):
    """Requests a response to `messages` and `tools` alone, in pieces with a `writer`. `model` is the agent's
    own if it is `None`. Raises the errors of the model and of its key.
    """

    def __call__(
        self,
        messages: Sequence[AnyMessage],
        *,
        tools: Sequence[dict[str, Any]] = (),
        model: AgentModel | OwnChatModel | None = None,
        writer: StreamWriter | None = None,
    ) -> Coroutine[Any, Any, AIMessage]: ...


class OfferedTool(BaseTool):
    """An offered tool as hooks get it: only the model calls it."""

    def _run(self, *_: Any, **__: Any) -> str:  # noqa: ANN401 - LangChain's
        raise NotImplementedError("only the model calls tools")


class Pieces:
    """Writes the pieces of one response as they arrive, and keeps its text."""

    def __init__(self, write: StreamWriter) -> None:
        self._write = write
        self._texts: list[str] = []
        self.begun = False

    def __call__(self, event: Any) -> None:  # noqa: ANN401 - an event of `graph.events`
        self.begun = True
        if event["type"] == "content":
            self._texts.append(event["text"])
        self._write(event)

    @property
    def text(self) -> str:
        return "".join(self._texts)


@dataclass(slots=True)
class HookedResponse:
    """The requests for one response. If it `streams`, it is shown as it arrives: by `pieces`, if the surface
    reads the run's events, and by LangGraph's streams.
    """

    visit: OperatorVisit
    ask_model: AskModel
    prompt: Prompt
    offered: Mapping[str, ToolSchema]
    streams: bool
    pieces: Pieces | None
    chosen: set[str] | None = field(init=False, default=None)
    """The tools that the model got; `None`: it was not asked."""
    _failure: AgentError | None = field(init=False, default=None)

    def tools(self) -> list[OfferedTool]:
        """The offered tools, for one hook: what it does to them changes nothing of the agent's."""
        return [
            OfferedTool(
                name=tool.name, description=tool.description, args_schema=copy.deepcopy(dict(tool.parameters))
            )
            for tool in self.offered.values()
        ]

    async def respond(self, request: Any) -> AIMessage:  # noqa: ANN401 - LangChain's `ModelRequest`
        """The response to `request`, as the hooks leave it.

        Raises the errors of the model and of its key, and `GraphDefinitionError` for what hooks must not set.
        Once a piece was shown, nothing else is asked: the failure of that response is raised again.
        """
        if self.pieces is not None and self.pieces.begun:
            raise self._failure or GraphDefinitionError(
                "middleware must not ask again once a response is shown"
            )
        if self._failure is not None:
            log_failure(self._failure)  # the hooks ask again
            self._failure = None
        if request.response_format is not None:
            raise GraphDefinitionError("middleware must not set a response format")
        tools = self._chosen(request.tools)
        self.chosen = {tool.name for tool in tools}.union(self.chosen or ())
        system = [request.system_message] if request.system_message else []
        asking = self.ask_model(
            self.prompt([*system, *request.messages]),
            tools=[api_tool(tool) for tool in tools],
            model=_model_of(request),
            writer=self.pieces,
        )
        try:
            return await self.visit.run_in_agent(asking, streamed=self.streams)
        except AgentError as error:
            self._failure = error
            raise

    async def ask(
        self, messages: Sequence[AnyMessage], tools: Sequence[dict[str, Any]], model: AgentModel
    ) -> AIMessage:
        """The response to what a hook asks itself, of a model of the agent. It is not shown."""
        return await self.visit.run_in_agent(
            self.ask_model(messages, tools=tools, model=model), streamed=False
        )

    def check(self, response: AIMessage) -> None:
        """Raises `GraphDefinitionError` if hooks changed a text that was shown as it arrived."""
        if self.pieces is not None and self.pieces.begun and self.pieces.text != str(response.text):
            raise GraphDefinitionError("middleware must not change a response that is shown as it arrives")

    def _chosen(self, tools: Sequence[Any]) -> list[ToolSchema]:
        names: set[str] = set()
        for tool in tools:
            form = tool if isinstance(tool, Mapping) else _form_of(tool)
            function = form.get("function")
            name = function.get("name") if isinstance(function, Mapping) else None
            if not isinstance(name, str) or name not in self.offered:
                raise GraphDefinitionError("middleware must not add a tool to those that are offered")
            if form != api_tool(self.offered[name]):
                raise GraphDefinitionError(f'middleware must not change the tool "{name}"')
            names.add(name)
        return [tool for tool in self.offered.values() if tool.name in names]


HOOKED: Final[ContextVar[HookedResponse]] = ContextVar("idaas_agent.hooked_response")
"""The response whose hooks run now."""


def _form_of(tool: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever a hook has put in
    if not isinstance(tool, BaseTool):
        return {}
    parameters = tool.args_schema if isinstance(tool.args_schema, Mapping) else {}
    return api_tool(ToolSchema(tool.name, tool.description, parameters))


def _model_of(request: Any) -> AgentModel | OwnChatModel:  # noqa: ANN401 - LangChain's `ModelRequest`
    """The model that is to respond. Options are for a model of the hook's own."""
    chosen = request.model
    settings = request.model_settings
    if isinstance(chosen, AgentModel):
        if request.tool_choice or settings:
            raise GraphDefinitionError("middleware must not set options of the agent's model")
        return chosen
    if not isinstance(chosen, BaseChatModel):
        raise GraphDefinitionError("the model that middleware puts in must be a chat model of LangChain")
    choice = {"tool_choice": request.tool_choice} if request.tool_choice else {}
    return OwnChatModel(chosen, options=settings, tool_options=choice)
