"""The graph: `authenticate → credentials → model ⇄ services → END`. Each outside service is a node.

After the model, `approvals` is next if the policy of a call asks or denies, then a service's node if the
service's credential is known, otherwise `credentials`. Before a question, too, the credential is obtained. A
warm run without such calls has no additional step.
"""

import time
from collections.abc import Callable, Container, Sequence
from typing import Final, TypeAlias

from langchain_core.messages import ToolMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graph.approvals.answer import AnswerReader
from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.consents import Consents
from graph.approvals.gate import ApprovalGate
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.run_callers import RunCallers
from graph.approvals.store import ApprovalStore
from graph.begun_calls import BegunCalls
from graph.callers import CallerNode, CallerOf, Callers, Verifier, as_verified_caller
from graph.context import AgentContext, TokenLookup, token_in_context
from graph.credentials.run_credentials import in_state
from graph.credentials.service_credentials import ServiceCredentials, requirements
from graph.limits import Limits
from graph.models.provider import ModelProvider
from graph.node_error import MODEL
from graph.nodes.approvals import ApprovalsNode
from graph.nodes.authenticate import AuthenticateNode
from graph.nodes.credentials import CredentialsNode
from graph.nodes.model import ModelNode
from graph.nodes.model_record import ModelRecord
from graph.nodes.service import ServiceNode
from graph.nodes.step import as_step
from graph.observed_calls import ObservedCalls
from graph.prompt import SYSTEM_PROMPT
from graph.state import AgentInput, AgentOutput, AgentState
from graph.tool_calls.call_budget import CallBudget
from graph.tool_calls.refused_calls import RefusedCalls
from graph.tool_calls.requested_calls import accepted_calls, called_services
from identity.access_identity import AccessIdentity
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import ApiKeyRequirement, OAuthTokenRequirement
from identity.credentials.source import CredentialSource
from identity.secrets.secret import Secret
from tools.approval_policy import ApprovalMode
from tools.service import Service

APPROVALS: Final = "approvals"
_RESERVED: Final = {"authenticate", "credentials", APPROVALS, MODEL, START, END}


def build_graph(
    *,
    model: ModelProvider,
    services: Sequence[Service],
    verifier: Verifier,
    credentials: CredentialSource,
    access_identity: AccessIdentity,
    llm_api_key: ApiKeyRequirement | Secret,
    model_name: str | None = None,
    system_prompt: str = SYSTEM_PROMPT,
    limits: Limits | None = None,
    caller: TokenLookup = token_in_context,
    clock: Callable[[], float] = time.time,
    audit: AuditTrail | None = None,
    checkpointer: BaseCheckpointSaver[str] | None = None,
    calls: ObservedCalls | None = None,
    approvals: ApprovalStore | None = None,
    approval_seconds: float = 600.0,
    resume_values: bool = False,
    consent_urls: ConsentUrls | None = None,
    begun_calls: BegunCalls | None = None,
) -> CompiledStateGraph[AgentState, AgentContext, AgentInput, AgentOutput]:
    """The agent as a compiled LangGraph graph.

    Run it with `context=AgentContext(Secret(access_token))`; its input is `{"messages": […]}`. A run raises
    `AccessTokenError` for its caller, `CredentialError` or `UnreachableError` for the model's key, and
    `ServiceError` for the model. A failure of a tool is a result for the model. `AuditError` ends the run
    if a call cannot be recorded and `audit` requires records.

    `llm_api_key` is a requirement that IDaaS fulfils for each caller, or one static key for all callers.
    `model_name` is recorded with each call of the model. `system_prompt` begins the first system message of
    every model call; notes of the agent and the system messages of the conversation follow it.
    `access_identity` is the default of the services that declare none, and that of the model.
    `calls` observes the calls of the model and of tools.

    A call whose policy asks pauses the run, if its state is saved and `approvals` keeps the approvals; the
    user has `approval_seconds` to decide. Answers are given as `AgentContext.answers`, in a run without input
    (`None`). With `resume_values`, LangGraph's resume values are the answers: for a server whose runs have no
    context, and which lets only the user who began a run resume it. Otherwise such a call is refused.
    With `approvals`, only its user continues a run, and it pauses if their access token expires. With
    `consent_urls` too, it pauses if a called service requires their consent; the URL is kept there.
    With `begun_calls`, a call that changes something is made once, also if a server executes the run again.
    Raises `ValueError` if two services have one name, or a name that the graph itself uses.
    """
    limits = limits or Limits()
    names = [service.name for service in services]
    if faulty := {name for name in names if names.count(name) > 1 or name in _RESERVED}:
        fault = f"service names must be unique and none of {sorted(_RESERVED)}, found {sorted(faulty)}"
        raise ValueError(fault)
    static_key = llm_api_key if isinstance(llm_api_key, Secret) else None
    required = requirements(services, access_identity, llm_api_key)
    of_users = {name for name, each in required.items() if isinstance(each.credential, OAuthTokenRequirement)}
    callers = Callers(verifier, caller)
    service_credentials = ServiceCredentials(required, credentials, clock)
    audit = audit or AuditTrail(clock=clock)
    calls = calls or ObservedCalls()

    gate = ApprovalGate(services, required, approvals, approval_seconds, clock)
    prompts = ApprovalPrompts(gate, audit, clock)
    first: CallerOf = lambda _, runtime: callers.of(runtime)  # noqa: E731 - one of two forms
    following: CallerOf = first
    consents: Consents | None = None
    if approvals is not None:
        run_callers = RunCallers(callers, gate, prompts, clock)
        first, following = run_callers.first, run_callers.next
        if consent_urls is not None:
            consents = Consents(gate, prompts, consent_urls, of_users if resume_values else ())

    def add_node(name: str, node: CallerNode, caller_of: CallerOf = following) -> None:
        graph.add_node(name, as_step(name, as_verified_caller(caller_of, node)))

    graph = StateGraph(
        AgentState, context_schema=AgentContext, input_schema=AgentInput, output_schema=AgentOutput
    )
    add_node("authenticate", AuthenticateNode(), first)
    add_node(
        "credentials", CredentialsNode(services, service_credentials, limits.credentials_seconds, consents)
    )
    refused_calls = RefusedCalls(services, required, audit)
    answers = AnswerReader(gate.services, lambda name, caller: service_credentials.of(caller, name))
    add_node(
        APPROVALS,
        ApprovalsNode(gate, prompts, refused_calls, answers, resume_values=resume_values),
    )
    add_node(
        MODEL,
        ModelNode(
            model,
            services,
            service_credentials,
            limits,
            system_prompt,
            refused_calls,
            ModelRecord(model_name, required.get(MODEL), audit),
            calls,
            static_key,
        ),
    )
    graph.add_edge(START, "authenticate")
    graph.add_edge("authenticate", "credentials")
    graph.add_conditional_edges(
        "credentials", _after_credentials(names), [MODEL, "credentials", APPROVALS, *names]
    )
    budget = CallBudget(limits.run_calls)
    for service in services:
        node = ServiceNode(
            service,
            service_credentials,
            budget,
            limits.tool_seconds,
            audit,
            refused_calls,
            gate,
            calls,
            begun_calls=begun_calls,
        )
        add_node(service.name, node)
        graph.add_edge(service.name, MODEL)
    after_calls = _after_calls(names, required)
    targets = [APPROVALS, "credentials", *names, MODEL, END]
    graph.add_conditional_edges(MODEL, _after_model(gate, after_calls), targets)
    graph.add_conditional_edges(APPROVALS, _after_approvals(after_calls, required), targets)
    steps = 5 + (3 + _APPROVAL_STEPS) * (limits.tool_rounds + 1)
    compiled = graph.compile(checkpointer=checkpointer, name="agent")
    # The channels that are streamed, returned and saved. LangGraph Server pickles them.
    compiled.stream_channels = [name for name in compiled.stream_channels_list if name != "credentials"]
    return compiled.with_config(recursion_limit=steps)


_APPROVAL_STEPS: Final = 5
"""Visits of `approvals` in one round of tools until the run pauses or continues: of refused calls, of calls
without a credential, of an answer, of what it refuses, and the last."""

Route: TypeAlias = Callable[[AgentState], list[str]]


def _after_credentials(services: Sequence[str]) -> Route:
    def route(state: AgentState) -> list[str]:
        """The services that are called, all in one step, or `approvals`, which waited for their credentials;
        the model if no call is pending. `credentials` again after an answer to the question for a consent.
        """
        if state.get("consenting"):
            return ["credentials"]
        called = called_services(state)
        if called and state.get("asking"):
            return [APPROVALS]
        return [name for name in services if name in called] or [MODEL]

    return route


def _after_calls(services: Sequence[str], requirements: Container[str]) -> Route:
    def route(state: AgentState) -> list[str]:
        """The services that are called, all in one step, or `credentials` if the credential of one is not
        known; the model again if all calls were refused.
        """
        called = called_services(state)
        if nodes := [name for name in services if name in called]:
            return ["credentials"] if _lacks_credential(state, requirements) else nodes
        return [MODEL] if isinstance(state["messages"][-1], ToolMessage) else [END]

    return route


def _after_model(gate: ApprovalGate, after_calls: Route) -> Route:
    def route(state: AgentState) -> list[str]:
        """`approvals`, if the policy of a call does not allow it without a decision."""
        decides = any(
            gate.knows(service) and gate.mode(call, service) is not ApprovalMode.ALLOW
            for call, service in accepted_calls(state)
        )
        return [APPROVALS] if decides else after_calls(state)

    return route


def _after_approvals(after_calls: Route, requirements: Container[str]) -> Route:
    def route(state: AgentState) -> list[str]:
        """`approvals` again after each decision, until none is missing; `credentials` before a question."""
        if not state.get("asking"):
            return after_calls(state)
        return ["credentials"] if _lacks_credential(state, requirements) else [APPROVALS]

    return route


def _lacks_credential(state: AgentState, requirements: Container[str]) -> bool:
    """Whether the credential of a called service is not known."""
    known = in_state(state)
    return any(name in requirements and known.get(name) is None for name in called_services(state))
