"""The graph: `authenticate → credentials → model ⇄ services → END`, with `approvals` before the services.

Each outside service is a node. `graph.routes` says when a run visits `approvals`, and `credentials` again.
What `GRAPH` names is a function that calls `build_graph` and adds nodes.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import is_typeddict

from graph.context import AgentContext
from graph.error_codes import MODEL
from graph.nodes.custom_node import custom_route
from graph.nodes.operator_code import GraphDefinitionError
from graph.parts import AUTHENTICATE, GraphParts
from graph.routes import APPROVALS, CREDENTIALS
from graph.state import AgentInput, AgentOutput, AgentState

AgentGraph: TypeAlias = StateGraph[Any, AgentContext, AgentInput, AgentOutput]
CompiledAgentGraph: TypeAlias = CompiledStateGraph[AgentState, AgentContext, AgentInput, AgentOutput]


def build_graph(
    parts: GraphParts,
    state: type[AgentState] = AgentState,
    *,
    first: str = CREDENTIALS,
    last: str = END,
    middleware: Sequence[Any] = (),
    streams: bool = False,
) -> AgentGraph:
    """The agent's graph, not compiled. `state` has the keys of own nodes besides those of `AgentState`.

    `first` is the node after `authenticate`; if it is an own one, a run goes on from it at `credentials`, or
    ends. `last` is visited after the model's last response. `middleware` is LangChain's, around the model and
    the calls of tools, outermost first. A response is shown once its hooks have seen it, and with `streams`
    as it arrives: they must leave its text. Raises `GraphDefinitionError` for middleware that is not
    supported.
    """
    if middleware:
        parts.middleware.add(middleware, streams=streams)
    graph = StateGraph(state, context_schema=AgentContext, input_schema=AgentInput, output_schema=AgentOutput)
    for name, node in parts.nodes.items():
        graph.add_node(name, node)
    for service in parts.services:
        graph.add_edge(service, MODEL)
    graph.add_edge(START, AUTHENTICATE)
    graph.add_edge(AUTHENTICATE, first)
    routes = parts.routes
    ends: dict[Hashable, str] = {APPROVALS: APPROVALS, CREDENTIALS: CREDENTIALS, MODEL: MODEL, END: last}
    ends |= {service: service for service in parts.services}
    graph.add_conditional_edges(
        CREDENTIALS, routes.after_credentials, [MODEL, CREDENTIALS, APPROVALS, *parts.services]
    )
    graph.add_conditional_edges(MODEL, routes.after_model, ends)
    graph.add_conditional_edges(APPROVALS, routes.after_approvals, ends)
    return graph


def compiled_graph(
    parts: GraphParts,
    checkpointer: BaseCheckpointSaver[str] | None = None,
    build: Callable[[GraphParts], AgentGraph] = build_graph,
) -> CompiledAgentGraph:
    """The compiled graph of `build`. Own nodes are visited like those of `parts` (`graph.nodes.custom_node`).

    Run it with `context=AgentContext(Secret(access_token))`; its input is `{"messages": […]}`. A run raises
    `AccessTokenError` for its caller, `CredentialError` or `UnreachableError` for the model's key, and
    `ServiceError` for the model. A failure of a tool is a result for the model. `AuditError` ends the run
    if a call cannot be recorded and the audit requires records.

    Raises what `build` raises, and `GraphDefinitionError` if a part is missing, an own node has an input or
    option that own nodes may not have, or LangGraph finds the graph incomplete.
    """
    graph = build(parts)
    own = _own_nodes(graph, parts)
    for name in own:
        node = graph.nodes.pop(name)
        if not is_typeddict(node.input_schema) or node.is_error_handler or node.error_handler_node:
            raise GraphDefinitionError(
                f'node "{name}" must take a TypedDict, and be and have no error handler'
            )
        graph.add_node(
            name,
            parts.own(name, node.runnable),  # type: ignore[arg-type]  # LangGraph's own nodes are less than it accepts
            input_schema=node.input_schema,
            defer=node.defer,
            metadata=node.metadata,
            retry_policy=node.retry_policy,
        )
    routes = parts.routes
    agents_own = [routes.after_credentials, routes.after_model, routes.after_approvals]
    for source, branches in graph.branches.items():
        for name, branch in branches.items():
            if getattr(branch.path, "func", None) not in agents_own:
                branches[name] = branch._replace(path=custom_route(source, branch.path))
    try:
        compiled = graph.compile(checkpointer=checkpointer, name="agent")
    except ValueError as error:
        raise GraphDefinitionError(str(error)) from None
    # The channels that are streamed, returned and saved. LangGraph Server pickles them.
    compiled.stream_channels = [name for name in compiled.stream_channels_list if name != "credentials"]
    return compiled.with_config(recursion_limit=parts.steps * (1 + len(own)))


def _own_nodes(graph: object, parts: GraphParts) -> list[str]:
    """The names of the nodes that are not `parts`, all of which the graph has."""
    if not isinstance(graph, StateGraph):
        text = f"it must return the graph of build_graph, not compiled, found {type(graph).__name__}"
        raise GraphDefinitionError(text)
    functions = {name: getattr(node.runnable, "afunc", None) for name, node in graph.nodes.items()}
    missing = [name for name, node in parts.nodes.items() if functions.get(name) is not node]
    if missing or graph.input_schema is not AgentInput or graph.output_schema is not AgentOutput:
        raise GraphDefinitionError(
            f"it must return the graph of build_graph with its nodes {missing or ''}".strip()
        )
    return [name for name in graph.nodes if name not in parts.nodes]
