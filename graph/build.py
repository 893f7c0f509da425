"""The graph: `authenticate → credentials → model ⇄ services → END`, with `approvals` before the services.

Each outside service is a node. `graph.routes` says when a run visits `approvals`, and `credentials` again.
"""

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graph.context import AgentContext
from graph.error_codes import MODEL
from graph.parts import AUTHENTICATE, GraphParts
from graph.routes import APPROVALS, CREDENTIALS
from graph.state import AgentInput, AgentOutput, AgentState


def build_graph(
    parts: GraphParts, checkpointer: BaseCheckpointSaver[str] | None = None
) -> CompiledStateGraph[AgentState, AgentContext, AgentInput, AgentOutput]:
    """The agent as a compiled LangGraph graph.

    Run it with `context=AgentContext(Secret(access_token))`; its input is `{"messages": […]}`. A run raises
    `AccessTokenError` for its caller, `CredentialError` or `UnreachableError` for the model's key, and
    `ServiceError` for the model. A failure of a tool is a result for the model. `AuditError` ends the run
    if a call cannot be recorded and the audit requires records.
    """
    graph = StateGraph(
        AgentState, context_schema=AgentContext, input_schema=AgentInput, output_schema=AgentOutput
    )
    graph.add_node(AUTHENTICATE, parts.authenticate)
    graph.add_node(CREDENTIALS, parts.credentials)
    graph.add_node(MODEL, parts.model)
    graph.add_node(APPROVALS, parts.approvals)
    for name, service in parts.services.items():
        graph.add_node(name, service)
        graph.add_edge(name, MODEL)
    graph.add_edge(START, AUTHENTICATE)
    graph.add_edge(AUTHENTICATE, CREDENTIALS)
    routes = parts.routes
    graph.add_conditional_edges(
        CREDENTIALS, routes.after_credentials, [MODEL, CREDENTIALS, APPROVALS, *parts.services]
    )
    graph.add_conditional_edges(MODEL, routes.after_model, routes.of_calls)
    graph.add_conditional_edges(APPROVALS, routes.after_approvals, routes.of_calls)
    compiled = graph.compile(checkpointer=checkpointer, name="agent")
    # The channels that are streamed, returned and saved. LangGraph Server pickles them.
    compiled.stream_channels = [name for name in compiled.stream_channels_list if name != "credentials"]
    return compiled.with_config(recursion_limit=parts.steps)
