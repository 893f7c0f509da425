"""The composition root: makes the parts from the settings and connects them, without logic of its own."""

import asyncio
import ssl
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final, Self

from agent.composition.checks import list_tools, optional_checks, required_checks
from agent.composition.code_reference import load_both
from agent.composition.conversations import composed_conversations
from agent.composition.model_provider import model_provider
from agent.composition.services import services
from agent.conversations.storage import ConversationStorage
from agent.http.admission import Admission
from agent.http.rate_limit import RequestRate
from agent.http.shutdown import Shutdown, shutting_down
from agent.operations.audit.configured import audit_log, audit_trail
from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.readiness import Readiness
from agent.operations.revocation.configured import events_jwks, revocation_stores, user_event_reader
from agent.operations.revocation.enforcer import RevocationEnforcer
from agent.operations.traces.langsmith import trace_by_default
from agent.operations.traces.tracer import Tracer
from agent.operations.traces.traces_of_settings import tracer_of
from agent.redis import shared_redis
from agent.runs.conversation_runs import Conversations
from agent.runs.run_leases import RunPlaces
from agent.runs.run_limit import RunLimit
from agent.runs.runs import Runs
from agent.settings.settings import Settings
from agent.settings.variables.records import Tracing
from graph.approvals.answer import AnswerReader
from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.store import ApprovalStore
from graph.begun_calls import BegunCalls
from graph.build import build_graph
from graph.context import TokenLookup, token_in_context
from graph.credentials.service_credentials import ServiceCredential, ServiceCredentials, requirements
from graph.error_codes import GraphCode
from graph.limits import Limits
from graph.models.provider import ModelProvider
from graph.parts import RunApprovals, RunIdentity, RunModel, RunRecords, graph_parts
from graph.prompt import SYSTEM_PROMPT
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.access_token.verifier import REVOCATION_REACH, AccessTokenVerifier
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import AccessTokenError
from identity.idaas.client import IDaaSClient
from identity.idaas.issuer import IDaaSIssuer
from identity.secrets.secret import Secret
from identity.signing_keys.jwks import Jwks
from identity.transport.client import http_client
from identity.transport.http1.transport import PoolUse

_HTTP_SECONDS: Final = 10.0


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
        self.measures: Final = AgentMeasures(settings.llm_model)
        self.tracer: Final = tracer or tracer_of(settings, self.measures.spans_not_exported)
        tls = ssl.create_default_context(cafile=settings.ssl_cert_file)
        self.settings: Final = settings
        self.clock: Final = clock
        self.http: Final = http_client(tls, _HTTP_SECONDS, pool := PoolUse())
        self.measures.pools["idaas"] = pool
        self.audit_log: Final = audit_log(settings, clock)
        self.measures.audit = self.audit_log
        audit = audit_trail(settings, self.audit_log, clock)
        self.jwks: Final = Jwks(
            settings.jwks_url, self.http, clock=clock, fetches=self.measures.issue.seconds
        )
        revocations = RevocationList(reach=REVOCATION_REACH, clock=clock)
        self.verifier: Final = AccessTokenVerifier(
            issuer=settings.idaas.issuer,
            audience=settings.agent_audience,
            scope=settings.agent_scope,
            keys=self.jwks,
            clients=[settings.idaas.client_id],
            allow_clients=settings.allow_client_callers,
            revocations=revocations,
            clock=clock,
            use=self.measures.verifications,
        )
        self.admission: Final = Admission(
            self.verifier,
            audit,
            audience=settings.agent_audience,
            scope=settings.agent_scope,
            user=settings.telemetry_user,
            clock=clock,
        )
        self.idaas: Final = IDaaSClient(settings.idaas, self.http, clock=clock)
        self.broker: Final = CredentialBroker(
            IDaaSIssuer(self.idaas),
            clock=clock,
            audit=audit,
            use=self.measures.credentials,
            requests=self.measures.issue,
        )
        self.services, self.model = load_both(
            lambda: services(settings, tls, accepts_tools=accepts_tools),
            lambda: model_provider(settings, tls) if model is None else model,
        )
        self.llm_api_key: Final = settings.llm_api_key_file or ApiKeyRequirement(
            settings.llm_api_key_identifier or "", GraphCode.LLM_API_KEY_UNAVAILABLE
        )
        self.requirements: Final = requirements(self.services, settings.access_identity, self.llm_api_key)
        """What the model and the services require, by the names of the graph's nodes."""
        storage = self.conversation_storage = ConversationStorage.of(settings, clock)
        self.approvals: Final[ApprovalStore | None] = storage.approvals if storage else None
        """`None`: runs cannot pause."""
        self.consent_urls: Final = ConsentUrls(self.access, clock)
        self.answers: Final = AnswerReader({each.name: each for each in self.services}, self.access)
        parts = graph_parts(
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
            ),
            approvals=RunApprovals(
                store=self.approvals,
                seconds=settings.approval_seconds,
                resume_values=resume_values,
                consent_urls=self.consent_urls,
                begun_calls=begun_calls,
            ),
            records=RunRecords(audit=audit, calls=self.measures.calls),
            limits=Limits(
                tool_rounds=settings.max_tool_rounds,
                tool_seconds=settings.tool_timeout_seconds,
                model_seconds=settings.model_timeout_seconds,
            ),
            clock=clock,
        )
        self.graph: Final = build_graph(parts)
        """Of the runs that are kept, and of those that are not: these have no thread, and cannot pause."""
        self.redis: Final = shared_redis(settings)
        """What the processes share; `None`: each works for itself."""
        self.measures.redis = self.redis
        self.measures.add_pools(self.services, model=self.model, postgresql=storage, redis=self.redis)
        self.request_rate: Final = RequestRate(
            settings.max_requests_per_minute, audience=settings.agent_audience, redis=self.redis
        )
        self.run_places: Final = RunPlaces(self.redis, settings.max_concurrent_runs) if self.redis else None
        self.runs: Final = Runs(
            self.graph,
            timeout=settings.run_timeout_seconds,
            limit=RunLimit(per_caller=settings.max_concurrent_runs, in_total=settings.max_runs),
            places=self.run_places,
            traced=settings.agent_tracing is Tracing.LANGSMITH,
            measures=self.measures.runs,
        )
        self.conversations: Conversations | None = None
        """Runs of conversations; `None` if they are not stored."""
        if storage is not None:
            self.conversations = composed_conversations(
                settings,
                storage,
                self.runs,
                self.graph,
                answers=self.answers,
                consent_urls=self.consent_urls,
                clock=clock,
                measures=self.measures.runs,
                redis=self.redis,
            )
            self.measures.count_approvals = lambda: storage.approvals.count_open(
                clock() - settings.approval_seconds
            )
        self.revocation: Final = RevocationEnforcer(
            revocations,
            revocation_stores(settings, self.redis),
            forget_users=self.broker.forget_users,
            end_runs=self._end_runs_of,
            audit=audit,
            issuer=settings.idaas.issuer,
            applied=self.measures.revocations,
            lost=self.measures.revocations_lost,
        )
        self.events_jwks: Final = events_jwks(settings, self.http, clock)
        self.user_events: Final = user_event_reader(settings, self.events_jwks, clock)
        self.readiness: Final = Readiness(required_checks(self), optional=optional_checks(self))
        self.shutdown: Final = Shutdown(
            on_begin=lambda: self.readiness.end(shutting_down()),
            end_runs=lambda: self.runs.end(shutting_down),
            runs_ended=self.runs.ended,
        )
        self._warm_up: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Warms up in the background, so that the agent starts while IDaaS is unavailable."""
        await self.revocation.start()
        if self.conversation_storage is not None:
            self.conversation_storage.start()
        self._warm_up = asyncio.create_task(self.readiness.warm_up(partial(list_tools, self)), name="warm-up")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Waits for the runs within the time of a shutdown that has begun, or ends them now; then closes all
        connections.
        """
        if self._warm_up is not None:
            self._warm_up.cancel()
            await asyncio.wait([self._warm_up])
        await self.readiness.aclose()
        await self.shutdown.ended()
        if self.conversations is not None:
            await self.conversations.aclose()
        if self.conversation_storage is not None:
            await self.conversation_storage.aclose()
        await asyncio.gather(*(service.aclose() for service in self.services))
        await self.revocation.aclose()
        await self.broker.aclose()
        await self.jwks.aclose()
        if self.events_jwks is not None:
            await self.events_jwks.aclose()
        await self.http.aclose()
        await self.model.aclose()
        for part in (self.run_places, self.redis):
            if part is not None:
                await part.aclose()
        await self.audit_log.aclose()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.stop)

    async def model_key(self, caller: VerifiedAccessToken | None) -> Secret:
        """The model's API key, from its file or from IDaaS. Raises the identity layer's errors."""
        if isinstance(self.llm_api_key, Secret):
            return self.llm_api_key
        return (await self.access("model", caller).credential()).secret

    def access(self, name: str, caller: VerifiedAccessToken | None) -> ServiceCredential:
        """The credential of one service, outside of a run. `caller` may be `None` under Machine identity."""
        return ServiceCredentials(self.requirements, self.broker, self.clock).of(caller, name)

    def _end_runs_of(
        self, callers: Callable[[VerifiedAccessToken], bool], reason: Callable[[], AccessTokenError]
    ) -> int:
        """Ends the runs of callers of whom `callers` is true, and their reading of runs; how many runs."""
        if self.conversations is not None:
            self.conversations.readers.end_of(callers, reason)
        return self.runs.end_of(callers, reason)
