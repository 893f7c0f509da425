"""The graph of an application, made with the library, on the server's parts: `GRAPH=my_app:graph`.

What such a graph cannot have here stops the start, or is in `docs/library.md`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from agent.composition.extensions import unusable_graph
from agent.composition.service_parts import ServiceParts
from agent.settings.settings import Settings
from graph.approvals.gate import ApprovalGate
from graph.approvals.policy import AnyUser
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.rights import ServiceRights
from graph.call_measures import CallMeasures
from graph.call_steps.budget import CallBudget
from graph.call_steps.fence import FenceStep
from graph.credentials.service_credentials import ServiceCredentials
from graph.error_codes import MODEL
from graph.limits import Limits
from graph.models.budget import ModelBudget
from graph.models.provider import ModelProvider
from graph.nodes.model_calls import ModelCalls
from graph.nodes.operator_code import GraphDefinitionError
from graph.parts import RunApprovals

_BEGUN_SECONDS: Final = 7 * 86_400.0
"""How long the beginning of a call is known: longer than a run may wait, and take."""

if TYPE_CHECKING:
    from idaas_agent.library.governed_calls import GovernedCalls
    from idaas_agent.library.served_graph import ServedGraph
    from idaas_agent.library.settings import LibrarySettings
    from tools.service import Service


def is_of_app(source: object) -> bool:
    """Whether `GRAPH` names an application's graph, or a function that makes one."""
    if source is None:
        return False
    from idaas_agent.library.app_graph import is_of_app as has_identity  # only for graphs of one's own

    return has_identity(source)


async def rights_of_app(graph: "ServedGraph", user: AnyUser) -> list[ServiceRights]:
    """The rights that the tools of an application's graph have for `user`."""
    from idaas_agent.library.app_rights import rights_of_tools

    return await rights_of_tools(graph.app.tools, user)


async def services_of_app(graph: "ServedGraph") -> "Sequence[tuple[Service, GovernedCalls]]":
    """The services outside of an application that its tools call, each with what obtains its credentials."""
    from idaas_agent.library.app_tool import AppService

    sources = dict.fromkeys([await tool.calls() for tool in graph.app.tools])
    return [
        (service, calls)
        for calls in sources
        for service in calls.services
        if not isinstance(service, AppService)
    ]


def served_graph(
    source: Any,  # noqa: ANN401 - what `GRAPH` names
    parts: ServiceParts,
    gate: ApprovalGate,
    asks: RunApprovals,
    provider: ModelProvider,
    limits: Limits,
    measures: CallMeasures,
    budgets: Sequence[ModelBudget] = (),
) -> "ServedGraph":
    """The graph of `source`, whose identity is the server's. It is made when it is opened. A parameter
    `model` of its function gets the model of `provider`.

    Raises `ConfigurationError` for a graph without an identity, and for settings that it cannot have.
    """
    from idaas_agent.library.app_graph import AppGraph
    from idaas_agent.library.hosting import Host
    from idaas_agent.library.served_graph import ServedGraph
    from idaas_agent.library.served_model import ServedModel
    from idaas_agent.library.served_questions import ServedAnswers, ServedQuestions
    from idaas_agent.library.stored_approvals import kept_in

    settings = parts.settings
    kept = None if asks.store is None else kept_in(asks.store, parts.clock, _BEGUN_SECONDS)
    fence = None if asks.fence is None else FenceStep(asks.fence)
    host = Host(
        parts=parts.identity,
        folder=_folder_of(settings),
        kept=kept,
        budget=CallBudget(limits.run_calls),
        fence=fence,
        stops=asks.stops,
        announce=asks.announce,
        measures=measures,
    )
    with unusable_graph(source):
        if limits.images:
            raise GraphDefinitionError("LLM_IMAGES must be 0: the graph gets the texts of its conversation")
        if asks.policies:
            raise GraphDefinitionError(
                "POLICY_FILE, POLICY_URL and policies of packages know the services of SERVICES_FILE, and not"
                " those of the graph: declare the policies of its tools"
            )
        if asks.resume_values:
            raise GraphDefinitionError(
                "LangGraph Server runs an application's graph by a langgraph.json of its own, with"
                " identity.langgraph_auth()"
            )
        app = AppGraph.of(source, cast("LibrarySettings", settings), host)
    required = parts.requirements.get(MODEL)
    calls = ModelCalls(
        provider, settings.llm_model, required, parts.audit, measures, limits.model_seconds, budgets
    )
    credentials = ServiceCredentials(parts.requirements, parts.broker, parts.clock)
    model = ServedModel.of(calls, credentials, settings.llm_api_key_file, app.identity)
    app.others = {"model": model}
    prompts = None if asks.store is None else ApprovalPrompts(gate, parts.audit, parts.clock, asks.announce)
    answers = ServedAnswers(services={}, access=parts.access, tools=app.identity.known_calls.tools)
    questions = ServedQuestions(prompts, answers, settings.approval_seconds)
    return ServedGraph(app, questions, limits.tool_rounds)


def _folder_of(settings: Settings) -> Path:
    """Where the module of GRAPH is, if it names a file; else where own code is."""
    module = (settings.graph or "").partition(":")[0]
    return (settings.own_code / module).parent if module.endswith(".py") else settings.own_code
