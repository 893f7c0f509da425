"""Tests of your own tools, graph and policies, without a socket, a credential or a model.

    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    tools.responds(json={"net": 8000})
    result = await tools.call("payslip", month="2026-10")
    assert result.text == '{"net":8000}'
    assert tools.requests[0].path == "/payslips/2026-10"

The same tools in the agent, whose model responds by a script:

    agent = AgentUnderTest(ScriptedModel(call("payslip", month="2026-10"), "You got 8,000."), tools)
    assert await agent.ask("My payslip?") == "You got 8,000."
    assert tools.requests[0].acts_for == "user"

`caller("carol", groups=["finance"])` is another user, `RecordedModel` repeats the answers of a real model.
For a test with IDaaS's protocols, run the sandbox (`idaas-agent sandbox`).
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import httpx
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall
from langgraph.graph.message import add_messages

from graph.approvals.gate import REJECTED
from graph.approvals.pending_call import PendingCall
from graph.approvals.policies import Policies
from graph.approvals.policy import Allow, Ask, CallPolicy, Decision, Deny, Facts
from graph.build import AgentGraph, build_graph, compiled_graph
from graph.context import AgentContext
from graph.credentials.service_credentials import ServiceCredentials, requirements
from graph.models.provider import ModelProvider
from graph.parts import GraphParts, RunApprovals, RunIdentity, RunModel, graph_parts
from graph.prompt import SYSTEM_PROMPT
from idaas_agent.declared_under_test import declared_under_test
from idaas_agent.issuer_under_test import IssuerUnderTest as IssuerUnderTest
from idaas_agent.received_request import RequestPart as RequestPart
from idaas_agent.received_request import ServiceRequest, body_of, parts_of
from idaas_agent.recorded_model import RecordedModel as RecordedModel
from idaas_agent.script import Script
from idaas_agent.server_under_test import ServerUnderTest as ServerUnderTest
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.audit.event import AuditEvent
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement, CredentialRequirement
from identity.principal import AccessIdentity, Caller, Principal
from identity.secrets.secret import Secret
from tools.approval_policy import ApprovalMode, ToolPolicy
from tools.declared_service import load_function
from tools.http_service.service import HTTPService
from tools.service import Access, Service, ToolResult
from tools.service_declarations import HTTPDeclaration

if TYPE_CHECKING:
    from idaas_agent.library.served_graph import ServedGraph

_URL: Final = "https://service.example.com"
_FAR: Final = 2.0**62
"""When tokens end, in unix seconds."""
_KEY: Final = Secret("model-key")
_ISSUER: Final = "https://idaas.example.com"


def caller(subject: str, /, **claims: str | Sequence[str]) -> Caller:
    """A user with claims, for whom a test makes calls and asks: `caller("carol", groups=["finance"])`."""
    kept = {name: value if isinstance(value, str) else tuple(value) for name, value in claims.items()}
    return Caller(Principal(_ISSUER, subject), kept)


USER: Final = caller("user")
"""For whom calls are made and questions are asked, unless the test names another caller."""


class ToolsUnderTest:
    """The tools that `add` adds to a service, called as the agent calls them.

    `add` is the function that SERVICES_FILE names as `python`, and `settings` are those of its entry. The
    arguments of a call are validated as the agent validates them. What is not checked: whether IDaaS would
    issue the credential, and whether the call would be approved; `policy` says what the agent would do.
    """

    def __init__(
        self,
        add: Callable[[HTTPService, Mapping[str, Any]], None],
        settings: Mapping[str, Any] | None = None,
        *,
        access_identity: AccessIdentity = AccessIdentity.HUMAN,
        caller: Caller = USER,
        name: str = "service",
        lends_credential: bool = False,
        policies: Mapping[str, ToolPolicy] | None = None,
        prefix: str = "",
    ) -> None:
        """`caller` is for whom `call` makes calls. `name`, `lends_credential`, `policies` and `prefix` are
        those of the entry.
        """
        self.requests: Final[list[ServiceRequest]] = []
        """The requests that the tools have sent, in order."""
        self._access_identity = access_identity
        self._caller = caller
        self._responses: Final[Script[httpx.Response | Exception]] = Script()
        self._issuer = _Issuer()
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._received))
        required = AccessTokenRequirement("https://service.example.com|service.use")
        self._added = HTTPService(
            name,
            _URL,
            required,
            access_identity=access_identity,
            lends=lends_credential,
            policies=policies,
            prefix=prefix,
            http=http,
        )
        add(self._added, settings or {})

    @classmethod
    def of_file(cls, path: Path | str, name: str, *, caller: Caller = USER) -> Self:
        """The tools of the service `name` of a services file, with its settings and its policies.

        Raises `ValueError` with all faults of the file, or of a service that is not of the type "http", or
        that has a policy of a tool that it has not.
        """
        path = Path(path)
        declaration = declared_under_test(path, name, HTTPDeclaration)
        tools = cls(
            load_function(declaration.python, path.parent),
            declaration.settings,
            access_identity=declaration.access_identity or AccessIdentity.HUMAN,
            caller=caller,
            name=name,
            lends_credential=declaration.lends_credential,
            policies={tool: policy.made() for tool, policy in declaration.policies.items()},
            prefix=declaration.prefix,
        )
        if unused := tools._added.unused_policies:
            raise ValueError(f"{path.name}: services.{name}.policies.{unused[0]}: there is no such tool")
        return tools

    @property
    def services(self) -> Sequence[Service]:
        """The service, and those of tools with a permission of their own."""
        return self._added.services

    @property
    def name(self) -> str:
        """The name of the service."""
        return self._added.name

    @property
    def tool_names(self) -> frozenset[str]:
        """The names of the tools, as the model sees them."""
        return frozenset[str]().union(*(service.tool_names for service in self._added.services))

    def responds(self, status: int = 200, **given: Any) -> None:  # noqa: ANN401 - of `httpx.Response`
        """The response of the service to the next request that has none yet; the last one is repeated until
        there is another. `given` are `json`, `text`, `content` and `headers`, as `httpx.Response` takes them.
        """
        self._responses.add(httpx.Response(status, **given))

    def cannot_be_reached(self) -> None:
        """The connection of the next request fails."""
        self._responses.add(httpx.ConnectError("no connection"))

    async def call(self, tool: str, **arguments: Any) -> ToolResult:  # noqa: ANN401 - any JSON
        """The result, as the model reads it. Raises `ServiceError` as the tool does.

        Arguments that do not fit the tool's parameters are a result with `ok` and `called` false.
        """
        service = self._service(tool)
        return await service.call(tool, arguments, self._access(service))

    def policy(self, tool: str, **arguments: Any) -> ApprovalMode:  # noqa: ANN401 - any JSON
        """Whether the agent would make, ask about or deny this call, by what the code declares."""
        return self._service(tool).policy(tool).mode_for(arguments, self._access_identity)

    def parameters(self, tool: str) -> Mapping[str, Any]:
        """The JSON Schema of the tool's arguments, as the model sees it."""
        service = self._service(tool)
        listed = service.cached_tools(self._access(service))
        return next(schema.parameters for schema in listed if schema.name == tool)

    def permission(self, tool: str) -> str:
        """The permission of the token that calls of the tool carry; `service.use` is the service's own."""
        return _permission(self._service(tool).credential)

    def _service(self, tool: str) -> HTTPService:
        return next((service for service in self._added.services if tool in service.tool_names), self._added)

    def _access(self, service: HTTPService) -> Access:
        required = requirements([service], self._access_identity, _KEY)
        found = ServiceCredentials(required, self._issuer.broker, time.time)
        return found.of(_verified(self._caller), service.name)

    def _received(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        required, user = self._issuer.issued.get(token, (None, None))
        self.requests.append(
            ServiceRequest(
                method=request.method,
                path=request.url.path,
                query=dict(request.url.params),
                body=body_of(request),
                headers=dict(request.headers),
                credential=token,
                acts_for=user,
                permission=_permission(required),
                content=request.content,
                parts=parts_of(request),
            )
        )
        response = self._responses.next(f"{request.method} {request.url.path}")
        if isinstance(response, Exception):
            raise response
        return response


Turn: TypeAlias = str | ToolCall | Sequence[ToolCall] | Exception
"""The turn of a scripted model: it says a text, makes calls, or fails."""


def call(tool: str, **arguments: Any) -> ToolCall:  # noqa: ANN401 - any JSON
    """A call, for a script."""
    return ToolCall(name=tool, args=arguments, id=f"call_{uuid.uuid4().hex}", type="tool_call")


class ScriptedModel:
    """A `ModelProvider` that responds by a script, one turn a time; the last one is repeated until there is
    another.
    """

    def __init__(self, *turns: Turn) -> None:
        self._turns: Final = Script(*turns)
        self.read: Final[list[Sequence[AnyMessage]]] = []
        """The messages that it was sent, by turn."""
        self.offered: Final[list[list[str]]] = []
        """The names of the tools that it could call, by turn."""

    def responds(self, *turns: Turn) -> None:
        """Adds turns: the first is that of the next request that has none yet."""
        self._turns.add(*turns)

    async def complete(
        self, messages: Sequence[AnyMessage], tools: Sequence[Mapping[str, Any]], **_: object
    ) -> AIMessage:
        """See `ModelProvider`."""
        self.read.append(messages)
        self.offered.append([tool["function"]["name"] for tool in tools])
        turn = self._turns.next(f"the model, after {str(messages[-1].text)[:80]!r}")
        if isinstance(turn, Exception):
            raise turn
        text = ""
        calls: Any = turn
        if isinstance(turn, str):
            text = turn
            calls = []
        elif isinstance(turn, dict):
            calls = [turn]
        reason = "tool_calls" if calls else "stop"
        metadata = {"finish_reason": reason}
        return AIMessage(text, id=uuid.uuid4().hex, tool_calls=calls, response_metadata=metadata)

    async def aclose(self) -> None:
        """See `ModelProvider`."""


class PoliciesUnderTest:
    """The parts of a policy: the services of the test, their requirements, and access to them."""

    def __init__(self, services: Sequence[Service], broker: CredentialBroker) -> None:
        self.services: Final = services
        self.requirements: Final = requirements(services, AccessIdentity.HUMAN, _KEY)
        self.broker: Final = broker

    def access(self, name: str, caller: VerifiedAccessToken | None) -> Access:
        """The access of `caller` to the service `name`."""
        return ServiceCredentials(self.requirements, self.broker, time.time).of(caller, name)


class AgentUnderTest:
    """The agent's graph with these tools, in memory: its nodes, policies, credentials and records are real.

    A call that asks is answered with `approves`, where the agent would pause. What is not checked: the
    surfaces, and that IDaaS grants the permissions.
    """

    def __init__(
        self,
        model: ModelProvider,
        *tools: "ToolsUnderTest | ServerUnderTest",
        graph: Callable[[GraphParts], AgentGraph] | Any = build_graph,  # noqa: ANN401 - or an application's
        approves: bool = True,
        caller: Caller = USER,
        system_prompt: str = SYSTEM_PROMPT,
        policies: "Callable[[PoliciesUnderTest], Sequence[CallPolicy]] | Sequence[CallPolicy]" = (),
    ) -> None:
        """`system_prompt` is the text that SYSTEM_PROMPT_FILE has.

        `model` may be your own provider, too. `graph` is what GRAPH names: a function of parts, where a
        model that it names (`parts.model`) is this one; or an application's graph, or a function of an
        identity, whose `identity.tools` are these, and whose parameter `model`, if it has one, gets this one.
        `policies` decide after what the tools declare, as installed ones do (`idaas_agent.policies`): not for
        the graph of an application, which raises `ValueError`.
        """
        self.audit: Final[list[AuditEvent]] = []
        """The audit log: each call of a tool twice, each call of the model, each credential."""
        self.asked: Final[dict[str, ToolCall]] = {}
        """The calls about which the user was asked, by their ids."""
        self.events: Final[list[dict[str, Any]]] = []
        """The pieces that a surface that streams would show."""
        self.messages: list[AnyMessage] = []
        """The conversation."""
        issuer = _Issuer(audit := AuditTrail(self))
        services = [service for tested in tools for service in tested.services]
        for tested in tools:
            if isinstance(tested, ToolsUnderTest):
                tested._issuer = issuer  # noqa: SLF001 - this kit's
        self._caller = caller
        person = partial(_in_person, self.asked, approves=approves)
        self._app: ServedGraph | None = None
        if graph is not build_graph:
            self._app = self._of_app(graph, services, model, issuer, audit, person)
        if callable(policies):
            policies = policies(PoliciesUnderTest(services, issuer.broker))
        if self._app is not None:
            if policies:
                raise ValueError("policies decide in a graph of parts, not in an application's")
            return
        identity = RunIdentity(verifier=self, credentials=issuer.broker, access_identity=AccessIdentity.HUMAN)
        parts = graph_parts(
            services,
            identity=identity,
            model=RunModel(provider=model, api_key=_KEY, system_prompt=system_prompt, named=lambda _: model),
            approvals=RunApprovals(person=person, policies=policies),
            audit=audit,
        )
        self._graph = compiled_graph(parts, build=graph)

    async def ask(self, text: str) -> str:
        """The agent's last words. Raises the errors that end a run."""
        context = AgentContext(Secret("access-token"), streaming=True, writer=self.events.append)
        given = [*self.messages, HumanMessage(text)]
        if self._app is not None:
            self.messages = await _answered(self._app, given, context)
            return str(self.messages[-1].text)
        self.messages = (await self._graph.ainvoke({"messages": given}, context=context))["messages"]
        return str(self.messages[-1].text)

    def _of_app(
        self,
        graph: Any,  # noqa: ANN401 - what GRAPH names
        services: Sequence[Service],
        model: ModelProvider,
        issuer: "_Issuer",
        audit: AuditTrail,
        person: Callable[[Policies], Policies],
    ) -> "ServedGraph | None":
        """An application's graph; `None`: it is made of parts."""
        from idaas_agent.app_under_test import app_under_test  # most tests need none of it
        from idaas_agent.library.app_graph import is_of_app

        if not is_of_app(graph):
            return None
        return app_under_test(
            graph, services, model, verifier=self, broker=issuer.broker, audit=audit, person=person
        )

    async def verify(self, token: Secret) -> VerifiedAccessToken:  # noqa: ARG002 - there is one
        """See `Verifier`."""
        return _verified(self._caller)

    async def record(self, event: AuditEvent) -> None:
        """See `AuditSink`."""
        self.audit.append(event)


async def _answered(
    graph: "ServedGraph", given: Sequence[AnyMessage], context: AgentContext
) -> list[AnyMessage]:
    """The conversation after a run."""
    messages: Any = list(given)
    run = graph.astream({"messages": given}, {"callbacks": []}, context=context)
    async for update in run:
        for added in update.values():
            messages = add_messages(messages, added["messages"])
    return list(messages)


def _in_person(asked: dict[str, ToolCall], policies: Policies, *, approves: bool) -> Policies:
    return _Person(policies.policies, asked=asked, approves=approves)


@dataclass(frozen=True, slots=True)
class _Person(Policies):
    """The policies, with the user's answers to what they ask."""

    _: KW_ONLY
    asked: dict[str, ToolCall]
    approves: bool

    async def decide(self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts) -> Decision:
        """See `Policies`."""
        decision = await Policies.decide(self, pending, caller, facts)
        if not isinstance(decision, Ask):
            return decision
        self.asked[pending.call["id"] or ""] = pending.call
        return Allow() if self.approves else Deny(reason=REJECTED)


class _Issuer:
    """Issues `token-1`, `token-2`, … and knows the rights of each."""

    def __init__(self, audit: AuditTrail | None = None) -> None:
        self.issued: Final[dict[str, tuple[CredentialRequirement, str | None]]] = {}
        self.broker: Final = CredentialBroker(self, renewal_seconds=0, audit=audit or AuditTrail())

    def prerequisite(self, requirement: CredentialRequirement) -> None:
        """See `CredentialIssuer`."""

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,  # noqa: ARG002 - the caller says it
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,  # noqa: ARG002 - there is none
    ) -> IssuedCredential:
        """See `CredentialIssuer`."""
        token = f"token-{len(self.issued) + 1}"
        subject = None if caller is None else caller.principal.subject
        self.issued[token] = requirement, subject
        return IssuedCredential(Secret(token), _FAR)


def _permission(required: CredentialRequirement | None) -> str:
    return required.permission if isinstance(required, AccessTokenRequirement) else ""


def _verified(caller: Caller) -> VerifiedAccessToken:
    return assume_verified(
        principal=caller.principal,
        audience=("agent",),
        scopes=frozenset(),
        expires_at=_FAR,
        fingerprint=caller.subject,
        token=Secret("access-token"),
        claims=caller.claims,
    )
