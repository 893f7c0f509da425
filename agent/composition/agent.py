"""The composition root: makes the parts from the settings and connects them, without logic of its own."""

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from agent.background import end_tasks
from agent.composition.app_graph import is_of_app, rights_of_app, served_graph
from agent.composition.checks import optional_checks, required_checks
from agent.composition.extensions import agent_graph, graph_source, load_both, model_provider, unusable_graph
from agent.composition.installed_policies import in_force, installed_policies
from agent.composition.kept import grants_of, kept_by
from agent.composition.model_budgets import installed_budgets
from agent.composition.named_models import NamedModels
from agent.composition.question_listeners import installed_listeners
from agent.composition.service_parts import ServiceParts
from agent.composition.shown_measures import show_measures
from agent.conversations.storage import ConversationStorage
from agent.http.authentication import Admission
from agent.http.rate_limit import RequestRate
from agent.http.shutdown import Shutdown, shutting_down
from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.readiness import Readiness
from agent.operations.revocation.configured import revocation_stores, stop_reports, user_event_reader
from agent.operations.revocation.enforcer import RevocationEnforcer
from agent.operations.revocation.stop_reports import StopReporter
from agent.operations.traces.langsmith import trace_by_default
from agent.operations.traces.tracer import Tracer, tracer_of
from agent.redis import shared_redis
from agent.runs.chats import Chats
from agent.runs.run_limits import RunLeases, RunLimit
from agent.runs.run_parts import RunGraph
from agent.runs.runs import Runs
from agent.settings.declared_services import titles_of
from agent.settings.settings import Settings
from graph.approvals.answer import AnswerReader
from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.policy import AnyUser
from graph.approvals.rights import UserRights, rights_of, user_rights
from graph.call_steps.once import BegunCalls
from graph.call_steps.stops import Stops
from graph.context import TokenLookup, token_in_context
from graph.error_codes import GraphCode
from graph.limits import Limits
from graph.models.openai_compatible import with_stream_usage
from graph.models.provider import ModelProvider
from graph.parts import GraphParts, RunApprovals, RunIdentity, RunModel, graph_parts
from graph.prompt import SYSTEM_PROMPT
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import ApiKeyRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.service import Service, ToolSchema, known_tools


class Agent:
    """All parts of one agent, for one event loop.

    An async context manager that warms them up and closes them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        caller: TokenLookup = token_in_context,
        resume_values: bool = False,
        begun_calls: BegunCalls | None = None,
        clock: Callable[[], float] = time.time,
        model: ModelProvider | None = None,
        tracer: Tracer | None = None,
        accepts_tools: bool = True,
    ) -> None:
        """Makes the parts; opens no connection. `model` replaces that of the settings.

        `caller` finds the access token of a run. With `resume_values` the runs of `graph` are a server's,
        which keeps their state: they pause for approvals, and LangGraph's resume values are the answers.
        `begun_calls` outlives the process, for a server that executes runs again.
        `tracer` replaces that of the settings. Without `accepts_tools`, nothing of what MCP servers list is
        accepted: for commands that only look.
        """
        trace_by_default(False)
        self.settings: Final = settings
        self.clock: Final = clock
        self.measures: Final = AgentMeasures()
        self.tracer: Final = tracer or tracer_of(
            settings, partial(self.measures.process.export_failures.add, "traces")
        )
        tls = ssl.create_default_context(cafile=settings.ssl_cert_file)
        self.llm_api_key: Final = settings.llm_api_key_file or ApiKeyRequirement(
            settings.llm_api_key_identifier or "", GraphCode.LLM_API_KEY_UNAVAILABLE
        )
        source = graph_source(settings)
        of_app = is_of_app(source)
        calls, self.model = load_both(
            lambda: ServiceParts(
                settings,
                tls,
                clock=clock,
                measures=self.measures,
                llm_api_key=self.llm_api_key,
                accepts_tools=accepts_tools,
                has_services=not of_app,
            ),
            lambda: model_provider(settings, tls) if model is None else model,
        )
        self.identity: Final = calls.identity
        self.http: Final = calls.http
        self.audit_log: Final = self.identity.audit_log
        audit = calls.audit

        # Who is calling
        self.jwks: Final = self.identity.keys
        revocations = self.identity.revocations
        self.verifier: Final = self.identity.verifier
        self.admission: Final = Admission(self.verifier, audit, settings, settings.agent_scope, clock)

        # What they may use
        self.idaas: Final = self.identity.idaas
        self.broker: Final = calls.broker
        self.services: Final = calls.services
        self.requirements: Final = calls.requirements
        """The requirements of the model and the services, by the names of the graph's nodes."""
        self.access: Final = calls.access
        self.listed_tools: Final = calls.listed_tools
        self.named_models: Final = NamedModels(
            lambda name: self._counted(model_provider(settings, tls, name))
        )

        # What is kept, and what processes share
        self.process_id: Final = secrets.token_hex(16)
        executes = None if resume_values else self.process_id  # else the server executes the runs
        storage = ConversationStorage.of(settings, clock, executes)
        approvals = None if storage is None else storage.approvals
        fence = None if storage is None else storage.fence
        self.redis: Final = shared_redis(settings, self.measures.redis)
        """`None`: each process works for itself."""

        self.policies: Final = installed_policies(calls, storage)
        """The policies that decide after what the services declare."""

        self.budgets: Final = installed_budgets(calls, storage)
        """What bounds how much of the models a caller may use."""
        self._counted(self.model)

        # Runs
        self.consent_urls: Final = ConsentUrls(self.access, clock, approvals)
        by_name = {service.name: service for service in self.services}
        self.titles: Final = titles_of(settings)
        """The operator's titles, which people read beside the names of services, tools and arguments."""
        self.listeners: Final = installed_listeners(calls, approvals, self.titles)
        self.stops: Final = Stops(revocations, clock)
        """The calls that an operator has stopped."""
        grants = None
        if storage is not None:
            grants = grants_of(storage, self.services, self.access, revocations, audit, clock)
        asks = RunApprovals(
            store=approvals,
            seconds=settings.approval_seconds,
            grants=grants,
            announce=self.listeners.announce_call,
            resume_values=resume_values,
            consent_urls=self.consent_urls,
            begun_calls=begun_calls,
            fence=fence,
            stops=self.stops,
            policies=self.policies,
            titles=self.titles,
        )
        self.limits: Final = Limits(
            images=settings.llm_images,
            tool_rounds=settings.max_tool_rounds,
            tool_seconds=settings.tool_timeout_seconds,
            model_seconds=settings.model_timeout_seconds,
        )
        """The limits of one run."""
        parts = self._graph_parts(audit, caller, asks)
        self.gate: Final = parts.gate
        answers = AnswerReader(by_name, self.access)
        measures = self.measures.calls
        self.app: Final = (
            served_graph(source, calls, self.gate, asks, self.model, self.limits, measures, self.budgets)
            if of_app
            else None
        )
        """The graph, if it is an application's own; then the services are its own, too."""
        self.answers: Final = answers if self.app is None else self.app.questions.answers
        self.graph: Final[RunGraph] = agent_graph(source, parts) if self.app is None else self.app
        """For runs of conversations and for runs without one, which have no thread and cannot pause."""
        self.request_rate: Final = RequestRate(
            settings.max_requests_per_minute, audience=settings.agent_audience, redis=self.redis
        )
        self.run_leases: Final = RunLeases(self.redis, settings.max_concurrent_runs) if self.redis else None
        self.runs: Final = Runs(
            self.graph,
            timeout=settings.run_timeout_seconds,
            limit=RunLimit(per_caller=settings.max_concurrent_runs, in_total=settings.max_runs),
            leases=self.run_leases,
            traced=settings.agent_tracing == "langsmith",
            measures=self.measures.runs,
        )
        kept = None
        if storage is not None and grants is not None:
            kept = kept_by(self, storage, grants)
        self.kept: Final = kept
        """The parts that outlast a run; `None`: no conversation is stored, and runs cannot pause."""
        conversations = None if kept is None else kept.conversations
        self.chats: Final = Chats(self.runs, conversations, takes_forms=self.app is None)
        """How surfaces begin runs."""

        # How rights and the process end
        stores = revocation_stores(settings, self.redis)
        reports = stop_reports(stores, self.redis, clock)
        self.stop_reporter: Final = StopReporter(
            self.stops, reports, self.process_id, clock=clock, tools=self._tool_names
        )
        revocations.listeners.append(self.stop_reporter.heard)
        self.revocation: Final = RevocationEnforcer(
            revocations,
            stores,
            forget_users=self.broker.forget_users,
            end_runs=self.runs.end_of,
            audit=audit,
            issuer=settings.idaas.issuer,
            applied=self.measures.revocations.applied,
            lost=self.measures.revocations.lost,
        )
        self.user_events: Final = user_event_reader(settings, self.http, clock)
        self.readiness: Final = Readiness(required_checks(self), optional=optional_checks(self))
        self.shutdown: Final = Shutdown(
            on_begin=lambda: self.readiness.end(shutting_down()),
            end_runs=lambda: self.runs.end(shutting_down),
            runs_ended=self.runs.ended,
        )
        self._is_started = False
        self._warm_up: asyncio.Task[None] | None = None
        show_measures(self)

    def admission_of_clients(self, scope: str) -> Admission:
        """The admission of clients that have `scope`, and of no person."""
        verifier = self.identity.verifier_of_clients(scope)
        return Admission(verifier, self.identity.audit, self.settings, scope, self.clock)

    def _graph_parts(self, audit: AuditTrail, caller: TokenLookup, asks: RunApprovals) -> GraphParts:
        settings = self.settings
        return graph_parts(
            self.services,
            identity=RunIdentity(
                verifier=self.verifier,
                credentials=self.broker,
                access_identity=settings.access_identity,
                token_of=caller,
            ),
            model=RunModel(
                provider=self.model,
                api_key=self.llm_api_key,
                name=settings.llm_model,
                system_prompt=settings.system_prompt_file or SYSTEM_PROMPT,
                named=self.named_models.of,
                budgets=self.budgets,
            ),
            approvals=asks,
            audit=audit,
            calls=self.measures.calls,
            limits=self.limits,
            clock=self.clock,
        )

    def _tool_names(self) -> Mapping[str, Collection[str]]:
        """The tools of each service that are known now, by the nodes of the services."""
        if self.app is not None:
            return self.app.app.identity.known_calls.tool_names()
        return {service.name: known_tools(service) for service in self.services}

    def _counted(self, model: ModelProvider) -> ModelProvider:
        """`model`, which requests the token counts that budgets need."""
        return with_stream_usage(model) if self.budgets else model

    async def _list_tools(self) -> None:
        """Opens sessions and lists tools of services with Machine identity; others wait for a user."""
        for service in self.services:
            identity = service.access_identity or self.settings.access_identity
            if identity is AccessIdentity.MACHINE:
                await service.tools(self.access(service.name, None))

    async def __aenter__(self) -> Self:
        """Warms up in the background, so that the agent starts while IDaaS is unavailable. The graph of an
        application is made before. Starts once: entered again, it is running already.
        """
        if self._is_started:
            return self
        await self.open_graph()
        self._is_started = True
        await self.revocation.start()
        self.stop_reporter.start()
        if self.kept is not None:
            self.kept.start_tasks()
        self._warm_up = asyncio.create_task(self.readiness.warm_up(self._list_tools), name="warm-up")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open_graph(self) -> None:
        """Makes the graph of an application. Raises `ConfigurationError` for one that cannot be run."""
        if self.app is not None:
            with unusable_graph():
                await self.app.open()

    async def aclose(self) -> None:
        """Waits for the runs within the time of a shutdown that has begun, or ends them now; then closes all
        connections.
        """
        await end_tasks(self._warm_up)
        await self.readiness.aclose()
        await self.shutdown.ended()
        await _closed(self.listeners, self.kept)
        await asyncio.gather(*(service.aclose() for service in self.services))
        events_jwks = self.user_events and self.user_events.keys
        await _closed(self.stop_reporter, self.revocation, events_jwks)
        await _closed(self.model, self.named_models, self.run_leases, self.redis, self.identity)
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.stop)

    async def rights_of(
        self, user: AnyUser, tools: Callable[[Service], Sequence[ToolSchema] | None] | None = None
    ) -> UserRights:
        """The calls that the agent may make for `user`. Without `tools`, services have what they list."""
        caller = user if isinstance(user, VerifiedAccessToken) else None
        kept = await self.kept.grants.of(user.principal) if self.kept else ()
        grants = [grant.members() for grant in kept]
        policy = await in_force(self.policies)
        if self.app is not None:
            return user_rights(user, await rights_of_app(self.app, user), policy=policy, grants=grants)
        listed = tools or (lambda service: self.listed_tools(service, caller))
        return await rights_of(user, self.gate, listed, policy=policy, grants=grants)

    async def model_key(self, caller: VerifiedAccessToken | None) -> Secret:
        """The model's API key, from its file or from IDaaS. Raises the identity layer's errors."""
        if isinstance(self.llm_api_key, Secret):
            return self.llm_api_key
        return (await self.access("model", caller).credential()).secret


async def _closed(*parts: Any) -> None:  # noqa: ANN401 - what has `aclose`
    """Closes the parts that there are, in this order."""
    for part in parts:
        if part is not None:
            await part.aclose()
