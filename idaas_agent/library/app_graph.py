"""The graph that an application has made with the library, as a server loads it.

    async def graph(identity: Identity, checkpointer):      # or without `async`, in any order, also without
        tools = await identity.tools("services.toml")       # a checkpointer
        return create_agent(…, middleware=[identity.middleware()], checkpointer=checkpointer)

Or a compiled graph, which was made with an `Identity` of its own.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph, StateGraph
from langgraph.prebuilt import ToolNode
from typing_extensions import is_typeddict

from graph.context import AgentContext
from graph.nodes.operator_code import GraphDefinitionError
from idaas_agent.library.governed_tool import GovernedTool
from idaas_agent.library.hosting import Host
from idaas_agent.library.identity import Identity
from idaas_agent.library.run_context import MEMBER, IdentityContext
from idaas_agent.library.settings import LibrarySettings
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from idaas_agent.library.middleware import IdentityMiddleware

Source: TypeAlias = Callable[..., Any] | CompiledStateGraph[Any, Any, Any, Any]
"""A function that makes the graph, or the graph."""


def is_of_app(source: object) -> bool:
    """Whether it is an application's graph, or a function that makes one: one with an `Identity`."""
    if isinstance(source, CompiledStateGraph):
        return True
    return callable(source) and any(map(_takes_identity, _parameters(source)))


@dataclass(slots=True)
class AppGraph:
    """The graph of `source`, made at its first use. `others` are further arguments of a function, by name."""

    source: Source
    identity: Identity
    others: Mapping[str, Any] = field(default_factory=dict)
    _lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _compiled: CompiledStateGraph[Any, Any, Any, Any] | None = field(init=False, default=None)

    @classmethod
    def of(
        cls,
        source: Source,
        settings: LibrarySettings,
        host: Host,
        others: Mapping[str, Any] = MappingProxyType({}),
        kind: type[Identity] = Identity,
    ) -> Self:
        """The graph of `source` under a server. A function gets an identity of the server's; what a compiled
        graph was made with, is one from now on. Raises `GraphDefinitionError` if it was made with none.
        """
        identities = [kind(settings, clock=host.parts.clock)]
        if isinstance(source, CompiledStateGraph):
            identities = _identities_of(source)
            if not identities:
                raise GraphDefinitionError("it has neither a governed tool nor identity.middleware()")
        for identity in identities:
            identity.hosted_by(host)
        return cls(source, identities[0], others)

    async def compiled(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The graph. Raises `GraphDefinitionError` for one that cannot be run, and what its code raises."""
        async with self._lock:
            if self._compiled is None:
                self._compiled = _checked(await self._made())
        return self._compiled

    @property
    def tools(self) -> Sequence[GovernedTool]:
        """The tools that were governed until now, with those of its sub-agents."""
        return list(self.identity.known_calls.tools.values())

    def context_of(self, context: AgentContext) -> Any:  # noqa: ANN401 - of the application's type
        """The graph's own context of a run of the server's: it has the caller's access token alone."""
        schema = None if self._compiled is None else self._compiled.context_schema
        return _context(schema, context.access_token)

    async def _made(self) -> Any:  # noqa: ANN401 - whatever the function returns
        if isinstance(self.source, CompiledStateGraph):
            return self.source
        made = self.source(**_arguments(self.source, self.identity, self.others))
        return await made if inspect.isawaitable(made) else made


class CheckpointerOfRun(BaseCheckpointSaver[str]):
    """The checkpointer that a function gets: each run of the server puts its own in its place."""


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function, eval_str=True).parameters.values())
    except NameError:  # such as a name that is imported for type checkers only
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _takes_identity(parameter: inspect.Parameter) -> bool:
    return parameter.name == "identity" or parameter.annotation in (Identity, "Identity")


def _takes_checkpointer(parameter: inspect.Parameter) -> bool:
    kind = parameter.annotation
    return parameter.name == "checkpointer" or (
        inspect.isclass(kind) and issubclass(kind, BaseCheckpointSaver)
    )


def _arguments(function: Callable[..., Any], identity: Identity, others: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `function`, by name. Raises `GraphDefinitionError` for one that nobody has."""
    arguments: dict[str, Any] = {}
    for parameter in _parameters(function):
        if _takes_identity(parameter):
            arguments[parameter.name] = identity
        elif _takes_checkpointer(parameter):
            arguments[parameter.name] = CheckpointerOfRun()
        elif parameter.name in others:
            arguments[parameter.name] = others[parameter.name]
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            raise GraphDefinitionError(
                f'its parameter "{parameter.name}" must have a default: it gets an identity, a checkpointer'
            )
    return arguments


def _checked(graph: object) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The compiled graph. Raises `GraphDefinitionError` for one that the server cannot run."""
    if isinstance(graph, StateGraph):
        graph = graph.compile()
    if not isinstance(graph, CompiledStateGraph):
        raise GraphDefinitionError(f"it must return a graph of LangGraph, found {type(graph).__name__}")
    if "messages" not in graph.channels:
        raise GraphDefinitionError('its state must have "messages": they are the conversation')
    if graph.interrupt_before_nodes or graph.interrupt_after_nodes:
        raise GraphDefinitionError("it must not pause before or after a node: a pause asks a question")
    try:
        _context(graph.context_schema, Secret(""))
    except Exception as error:  # noqa: BLE001 - a class of the application raises anything
        name = getattr(graph.context_schema, "__name__", "")
        text = f"its context {name} must be made of {MEMBER} alone ({type(error).__name__})"
        raise GraphDefinitionError(text) from None
    for middleware in _middleware_of(graph):
        for tool in _tools_of(graph):  # else a process that goes on with a run would not know them
            middleware.govern(tool)
    if ungoverned := _ungoverned(graph):
        raise GraphDefinitionError(
            f"its tools {', '.join(ungoverned)} are not governed: use identity.middleware(),"
            " identity.tool_node or identity.govern"
        )
    return graph


def _context(schema: Any, token: Secret | None) -> Any:  # noqa: ANN401 - of the application's type
    if schema is None:
        return IdentityContext(access_token=token)
    members = {MEMBER: token}
    return members if schema is dict or is_typeddict(schema) else schema(**members)


def _ungoverned(graph: CompiledStateGraph[Any, Any, Any, Any]) -> list[str]:
    """The tools of its tool nodes whose calls nobody would decide about."""
    if _middleware_of(graph):
        return []
    return sorted(tool.name for tool in _tools_of(graph) if not isinstance(tool, GovernedTool))


def _tools_of(graph: CompiledStateGraph[Any, Any, Any, Any]) -> list[BaseTool]:
    """The tools of its tool nodes."""
    nodes = [node.bound for node in graph.nodes.values() if isinstance(node.bound, ToolNode)]
    return [tool for node in nodes for tool in node.tools_by_name.values()]


def _identities_of(graph: CompiledStateGraph[Any, Any, Any, Any]) -> list[Identity]:
    """The identities with which its tools and its middleware were made."""
    found: list[Any] = [tool.identity for tool in _tools_of(graph) if isinstance(tool, GovernedTool)]
    found += [middleware.identity for middleware in _middleware_of(graph)]
    return [identity for identity in dict.fromkeys(found) if isinstance(identity, Identity)]


def _middleware_of(graph: CompiledStateGraph[Any, Any, Any, Any]) -> "list[IdentityMiddleware]":
    """`Identity.middleware` in a graph of `create_agent`, whose nodes are its hooks."""
    found: dict[int, Any] = {}
    for node in graph.nodes.values():
        owner = getattr(getattr(node.bound, "afunc", None), "__self__", None)
        if hasattr(owner, "govern"):
            found[id(owner)] = owner
    return list(found.values())
