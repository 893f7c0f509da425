"""The parts of an agent's graph: what it is made from, and the nodes and routes that follow from it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from langchain_core.runnables import Runnable
from langgraph.graph import END, START

from graph.approvals.answer import AnswerReader
from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.consents import Consents
from graph.approvals.gate import ApprovalGate
from graph.approvals.lasting_approvals import LastingApprovals
from graph.approvals.policies import Policies, policies_of
from graph.approvals.policy import CallPolicy
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import ApprovalStore, PendingApproval
from graph.approvals.run_callers import RunCallers
from graph.approvals.titles import NO_TITLES, Titles
from graph.call_measures import CallMeasures
from graph.call_steps.fence import RunFence
from graph.call_steps.once import BegunCalls
from graph.call_steps.stops import Stops
from graph.callers import CallerNode, Callers, Node, Verifier, as_langgraph_node, begin_run
from graph.context import TokenLookup, token_in_context
from graph.credentials.service_credentials import ServiceCredentials, requirements
from graph.error_codes import MODEL
from graph.labels.data_labels import unseen_in
from graph.labels.run_labels import begin_labels
from graph.limits import Limits
from graph.models.budget import ModelBudget
from graph.models.provider import ModelProvider
from graph.nodes.agent_model import AgentModel
from graph.nodes.approvals import ApprovalsNode
from graph.nodes.credentials import CredentialsNode
from graph.nodes.custom_node import CustomNode
from graph.nodes.middleware import Middleware
from graph.nodes.model import ModelNode
from graph.nodes.model_calls import ModelCalls
from graph.nodes.operator_code import GraphDefinitionError
from graph.nodes.service import service_nodes
from graph.prompt import SYSTEM_PROMPT
from graph.proposed_calls import begin_proposed_calls
from graph.routes import APPROVALS, CREDENTIALS, Routes
from graph.tool_calls.call_record import CallRecords
from graph.tool_calls.tool_catalog import ToolCatalog
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import ApiKeyRequirement, OAuthTokenRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.service import Access, Service

AUTHENTICATE: Final = "authenticate"
_RESERVED: Final = {AUTHENTICATE, CREDENTIALS, APPROVALS, MODEL, START, END}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Who is calling, and what runs may use. `access_identity` is the default of the services that declare
    none, and that of the model.
    """

    verifier: Verifier
    credentials: CredentialBroker
    access_identity: AccessIdentity
    token_of: TokenLookup = token_in_context


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModel:
    """The model that runs call. `api_key` is a requirement that IDaaS fulfils for each caller, or one static
    key for all callers. `name` is recorded with each call. `system_prompt` begins the first system message;
    notes of the agent and the system messages of the conversation follow it. `named` makes the provider of
    another model, with the same key, for the operator's middleware. Each of `budgets` bounds what a caller
    may use of all of them.
    """

    provider: ModelProvider
    api_key: ApiKeyRequirement | Secret
    name: str | None = None
    system_prompt: str = SYSTEM_PROMPT
    named: Callable[[str], ModelProvider] | None = None
    budgets: Sequence[ModelBudget] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunApprovals:
    """How runs ask their user. A call whose policy asks pauses the run, if its state is saved and `store`
    keeps the approvals; otherwise it is refused. The user has `seconds` to decide.

    Answers are given as `AgentContext.answers`, in a run without input (`None`). With `resume_values`,
    LangGraph's resume values are the answers: for a server whose runs have no context, and which lets only
    the user who began a run resume it.
    `announce` receives each new question about a call, and does not wait. With `grants` too, the user may
    approve more than one call, where the policy offers it.
    With a store, only its user continues a run, and it pauses if their access token expires. With
    `consent_urls` too, it pauses if a called service requires their consent; the URL is kept there.
    With `begun_calls`, a call that changes something is made once, also if a server executes the run again;
    with a `fence`, it is made only while the run has its conversation.
    Of `stops`, an operator has stopped some: they are refused, and in progress they end where they can.
    `policies` decide about calls after what the services declare, and before what the calls would disclose.
    `person` answers what all of them ask, in a test. `titles` stand beside the names on the cards.
    """

    store: ApprovalStore | None = None
    seconds: float = 600.0
    resume_values: bool = False
    grants: LastingApprovals | None = None
    announce: Callable[[PendingApproval], None] | None = None
    consent_urls: ConsentUrls | None = None
    begun_calls: BegunCalls | None = None
    fence: RunFence | None = None
    stops: Stops | None = None
    policies: Sequence[CallPolicy] = ()
    person: Callable[[Policies], Policies] | None = None
    titles: Titles = NO_TITLES


@dataclass(frozen=True, slots=True)
class GraphParts:
    """The nodes by their names, in LangGraph's form, and the routes between them. Each node is visited for a
    caller whom it has verified, and `services` names those that call: one for each service.
    """

    nodes: Mapping[str, Node]
    services: Sequence[str]
    routes: Routes
    gate: ApprovalGate
    steps: int
    """The visits of these nodes in the longest run."""
    own: Callable[[str, Runnable[Any, Any]], Node] = field(repr=False)
    """Wraps a node of the operator's own."""
    model: Callable[[str], AgentModel] = field(repr=False)
    """Another model of the agent's provider, by its name, for middleware: it is asked with the key of the
    agent's model. Raises `GraphDefinitionError` if the provider has one model, and what its function raises.
    """
    middleware: Middleware = field(repr=False)


def graph_parts(
    services: Sequence[Service],
    *,
    identity: RunIdentity,
    model: RunModel,
    approvals: RunApprovals | None = None,
    audit: AuditTrail | None = None,
    calls: CallMeasures | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.time,
) -> GraphParts:
    """The parts of a graph that calls `services`. `audit` records each call first; without its record the
    call is not made. `calls` counts them.

    Raises `ValueError` if two services have one name, or a name that the graph itself uses.
    """
    asks = approvals or RunApprovals()
    limits = limits or Limits()
    audit = audit or AuditTrail(clock=clock)
    calls = calls or CallMeasures()
    names = [service.name for service in services]
    if faulty := {name for name in names if names.count(name) > 1 or name in _RESERVED}:
        fault = f"service names must be unique and none of {sorted(_RESERVED)}, found {sorted(faulty)}"
        raise ValueError(fault)
    required = requirements(services, identity.access_identity, model.api_key)
    resolved = ServiceCredentials(required, identity.credentials, clock)

    def access(service: str, caller: VerifiedAccessToken) -> Access:
        return resolved.of(caller, service)

    by_name = {service.name: service for service in services}
    stops = [] if asks.stops is None else [asks.stops]
    policies = policies_of(by_name, required, [*stops, *asks.policies], access)
    if asks.person is not None:
        policies = asks.person(policies)
    gate = ApprovalGate(services, required, asks.store, asks.seconds, clock, policies, asks.grants)
    prompts = ApprovalPrompts(gate, audit, clock, asks.announce, asks.titles)
    records = CallRecords(gate.services, required, audit, calls)
    answers = AnswerReader(gate.services, access)

    requests = ModelCalls(
        model.provider, model.name, required.get(MODEL), audit, calls, limits.model_seconds, model.budgets
    )

    def named(name: str) -> AgentModel:
        if model.named is None:
            raise GraphDefinitionError("the provider of this agent has one model")
        return AgentModel.of(replace(requests, provider=model.named(name), name=name))

    callers = Callers(identity.verifier, identity.token_of)
    consents: Consents | None = None
    if asks.store is not None:
        callers = RunCallers(identity.verifier, identity.token_of, gate, prompts, clock)
        if asks.consent_urls is not None:
            of_users = {
                name
                for name, requirement in required.items()
                if isinstance(requirement.credential, OAuthTokenRequirement)
            }
            by_resume_values = of_users if asks.resume_values else ()
            consents = Consents(gate, prompts, asks.consent_urls, by_resume_values)

    catalog = ToolCatalog(services, limits.tool_seconds)
    key = model.api_key if isinstance(model.api_key, Secret) else None
    model_node = ModelNode(
        requests, catalog, resolved, limits, model.system_prompt, records, gate, static_key=key
    )
    made: dict[str, CallerNode] = {
        CREDENTIALS: CredentialsNode(services, resolved, limits.credentials_seconds, consents),
        MODEL: model_node,
        APPROVALS: ApprovalsNode(gate, prompts, records, answers, resume_values=asks.resume_values),
    }
    made |= service_nodes(
        services,
        model_node,
        calls=limits.run_calls,
        begun_calls=asks.begun_calls,
        fence=asks.fence,
        stops=asks.stops,
    )
    begins = partial(begin_run, [begin_proposed_calls, partial(begin_labels, unseen_in(services))])
    return GraphParts(
        nodes={
            AUTHENTICATE: as_langgraph_node(AUTHENTICATE, begins, lambda _, runtime: callers.first(runtime)),
            **{name: as_langgraph_node(name, node, callers.of) for name, node in made.items()},
        },
        services=names,
        routes=Routes(names, required, gate),
        gate=gate,
        steps=5 + (3 + _APPROVAL_STEPS) * (limits.tool_rounds + 1),
        own=lambda name, node: as_langgraph_node(name, CustomNode(name, node, model_node), callers.of),
        model=named,
        middleware=model_node.middleware,
    )


_APPROVAL_STEPS: Final = 5
"""Visits of `approvals` in one round of tools until the run pauses or continues: of refused calls, of calls
without a credential, of an answer, of what it refuses, and the last."""
