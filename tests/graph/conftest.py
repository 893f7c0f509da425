"""The graph's seams in memory."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from graph.build import build_graph
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.models.provider import ChatModelProvider
from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.credentials.credential import Credential
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, AgentError
from identity.principal import Principal
from identity.secrets.secret import Secret
from tests.graph.models.wire_model import WireModel
from tools.approval_policy import DEFAULT_POLICY, ToolPolicy
from tools.error_codes import ToolCode
from tools.service import Access, ToolResult, ToolSchema

LLM = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)
DONE = AIMessage("done")
Turn = AIMessage | Exception | Callable[[Sequence[AnyMessage]], AIMessage]


def calls(*named: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A response that calls tools; `call_1`, `call_2`, … by position."""
    return AIMessage(
        text,
        tool_calls=[
            {"name": name, "args": arguments, "id": f"call_{n}"}
            for n, (name, arguments) in enumerate(named, 1)
        ],
    )


class ScriptedModel(BaseChatModel):
    """Responds by a script, one turn for each call; the last turn is repeated."""

    turns: list[Any]
    _asked: list[Sequence[AnyMessage]] = PrivateAttr(default_factory=list)
    _tools: list[list[str]] = PrivateAttr(default_factory=list)
    _keys: list[str] = PrivateAttr(default_factory=list)

    @property
    def asked(self):
        return self._asked

    @property
    def tools(self):
        return self._tools

    @property
    def keys(self):
        return self._keys

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _turn(self, messages, options) -> AIMessage:
        self._asked.append(messages)
        self._tools.append([tool["function"]["name"] for tool in options.get("tools", [])])
        self._keys.append(options["api_key"].reveal())
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, Exception):
            raise turn
        return turn(messages) if callable(turn) else turn.model_copy(update={"id": None})

    def _generate(self, messages, stop=None, run_manager=None, **options):  # noqa: ARG002 - the base's shape
        return ChatResult(generations=[ChatGeneration(message=self._turn(messages, options))])

    async def _agenerate(self, messages, stop=None, run_manager=None, **options):
        return self._generate(messages, stop, run_manager, **options)

    async def _astream(self, messages, stop=None, run_manager=None, **options):  # noqa: ARG002 - the base's shape
        turn = self._turn(messages, options)
        thought = turn.additional_kwargs.get("reasoning_content")
        if thought:
            chunk = AIMessageChunk("", additional_kwargs={"reasoning_content": thought})
            yield ChatGenerationChunk(message=chunk)
        for word in str(turn.text).split():
            yield ChatGenerationChunk(message=AIMessageChunk(f"{word} "))
        for index, call in enumerate([*turn.tool_calls, *turn.invalid_tool_calls]):
            arguments = call["args"] if isinstance(call["args"], str) else json.dumps(call["args"])
            chunk = {"index": index, "name": call["name"], "args": arguments, "id": call["id"]}
            yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[chunk]))


class Tokens:
    """Verifies every token `<subject>-…` as that subject's."""

    def __init__(self) -> None:
        self.verified: list[str] = []
        self.refused: set[str] = set()
        self.codes: dict[str, ErrorCode] = {}
        """With which tokens are refused that are not simply invalid."""
        self.expires_at: dict[str, float] = {}

    async def verify(self, token: Secret) -> VerifiedAccessToken:
        value = token.reveal()
        self.verified.append(value)
        if value in self.refused:
            code = self.codes.get(value, IdentityCode.ACCESS_TOKEN_INVALID)
            raise AccessTokenError(code, 'claim "exp": the token has expired')
        return assume_verified(
            principal=Principal("https://idaas.example", value.partition("-")[0]),
            audience=("agent",),
            scopes=frozenset({"agent.access"}),
            expires_at=self.expires_at.get(value, time.time() + 1200),
            fingerprint=hashlib.sha256(value.encode()).hexdigest(),
            token=token,
        )


class Vault:
    """A credential source: `<name>-of-<owner>-<n>`, where the owner is the caller under Human identity."""

    def __init__(self) -> None:
        self.obtained: list[tuple[str, str]] = []
        self.invalidated: list[Credential] = []
        self.failures: dict[str, AgentError] = {}
        self.lifetime = 600.0
        self.hang: set[str] = set()
        self.kept: dict[tuple[CredentialRequirement, str], Credential] = {}
        """Credentials that need no request, by requirement and user."""

    def cached(
        self, requirement: CredentialRequirement, _access_identity: AccessIdentity, caller
    ) -> Credential | None:
        return self.kept.get((requirement, caller.principal.subject))

    async def obtain(
        self, requirement: CredentialRequirement, access_identity: AccessIdentity, caller
    ) -> Credential:
        name = requirement.identifier if isinstance(requirement, ApiKeyRequirement) else requirement.scope
        owner = "machine" if access_identity is AccessIdentity.MACHINE else caller.principal.subject
        self.obtained.append((name, owner))
        if name in self.hang:
            await asyncio.Event().wait()
        if name in self.failures:
            raise self.failures[name]
        secret = Secret(f"{name}-of-{owner}-{len(self.invalidated)}")
        holder = None if access_identity is AccessIdentity.MACHINE else caller.principal
        return Credential(requirement, access_identity, secret, time.time() + self.lifetime, holder)

    def invalidate(self, credential: Credential, _caller) -> None:
        self.invalidated.append(credential)


class EchoService:
    """A service with tools that respond by `answers`; records the secret of each call.

    Its tools are cached, unless `listed_by_its_server` is set or listing them fails.
    """

    def __init__(self, name: str, requirement=None, *, access_identity=None, **answers: Any) -> None:
        self.name = name
        self.credential = requirement
        self.access_identity = access_identity
        self.error_code = ToolCode.EXTERNAL_SERVICE_FAILED
        self.settings = ()
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []
        self.listing: AgentError | Exception | None = None
        self.renew_first = False
        self.listed_by_its_server = False
        self.policies: dict[str, ToolPolicy] = {}
        self.schemas = [
            ToolSchema(tool, f"The tool {tool}.", {"type": "object", "properties": {}}) for tool in answers
        ]

    def cached_tools(self, _access: Access) -> Sequence[ToolSchema] | None:
        return None if self.listed_by_its_server or self.listing is not None else self.schemas

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        if self.listing is not None:
            raise self.listing
        if self.listed_by_its_server:
            await access.credential()
        return self.schemas

    def policy(self, tool: str) -> ToolPolicy:
        return self.policies.get(tool, DEFAULT_POLICY)

    async def call(self, tool: str, arguments, access: Access) -> ToolResult:
        secret = None
        if self.credential is not None:
            credential = await access.credential()
            if self.renew_first:
                await asyncio.sleep(0)  # concurrent calls have the same credential
                credential = await access.renew(credential)
            secret = credential.secret.reveal()
        self.calls.append((tool, dict(arguments), secret))
        answer = self.answers[tool]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = await answer()
        return answer if isinstance(answer, ToolResult) else ToolResult(answer)

    async def aclose(self) -> None:
        pass


@dataclass
class Bench:
    """A graph under test, and its parts."""

    model: Any
    services: list[EchoService]
    access_identity: AccessIdentity = AccessIdentity.MACHINE
    options: dict[str, Any] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)
    vault: Vault = field(default_factory=Vault)

    def __post_init__(self) -> None:
        provider = self.model
        if isinstance(provider, list | tuple):
            self.model = ScriptedModel(turns=list(provider))
        if isinstance(self.model, BaseChatModel):
            provider = ChatModelProvider(self.model)
        self.graph = build_graph(
            model=provider,
            services=self.services,
            verifier=self.tokens,
            credentials=self.vault,
            access_identity=self.access_identity,
            **{"llm_api_key": LLM, **self.options},
        )

    async def ask(self, text: str = "hello", token: str = "alice-at", **options: Any) -> list[AnyMessage]:
        """The messages after the question."""
        context = AgentContext(Secret(token))
        result = await self.graph.ainvoke({"messages": [("user", text)]}, context=context, **options)
        return result["messages"][1:]

    async def events(self, text: str = "hello", token: str = "alice-at") -> list[dict[str, Any]]:
        """The events of a streaming surface."""
        context = AgentContext(Secret(token), streaming=True)
        stream = self.graph.astream({"messages": [("user", text)]}, context=context, stream_mode="custom")
        return [event async for event in stream]


BenchOf = Callable[..., Bench]
CallTools = Callable[..., AIMessage]
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
def bench() -> BenchOf:
    """`bench(turns, *services, access_identity=…, **options of build_graph)`."""

    def make(model, *services, access_identity=AccessIdentity.MACHINE, **options):
        return Bench(model, list(services), access_identity, options)

    return make


@pytest.fixture
def echo() -> type[EchoService]:
    return EchoService


@pytest.fixture
def call_tools() -> CallTools:
    return calls


@pytest.fixture
def amap_key() -> ApiKeyRequirement:
    return ApiKeyRequirement("amap_api_key")


@pytest.fixture
def enterprise_scope() -> AccessTokenRequirement:
    return AccessTokenRequirement("https://enterprise.example|service.invoke")


@pytest.fixture
def wire_model() -> WireModel:
    return WireModel()
