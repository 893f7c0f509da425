"""A graph under test, with its seams in memory."""

from dataclasses import dataclass, field, fields
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage

from graph.build import build_graph, compiled_graph
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.models.provider import ChatModelProvider
from graph.parts import RunApprovals, RunIdentity, RunModel, graph_parts
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens, Vault
from tests.graph.scripted_model import ScriptedModel

LLM = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)
AMAP_KEY = ApiKeyRequirement("amap_api_key")
ENTERPRISE_SCOPE = AccessTokenRequirement("https://enterprise.example|service.invoke")


def built_graph(
    services: list[Any], *, checkpointer: Any = None, build: Any = build_graph, **members: Any
) -> Any:
    """The graph of `services`; `members` are those of its parts, and arguments of `graph_parts`."""
    groups = {"identity": RunIdentity, "model": RunModel, "approvals": RunApprovals}
    parts = {}
    for name, kind in groups.items():
        taken = {field.name: members.pop(field.name) for field in fields(kind) if field.name in members}
        parts[name] = kind(**taken) if taken else None
    return compiled_graph(graph_parts(services, **parts, **members), checkpointer, build)


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
        self.graph = built_graph(
            self.services,
            **{
                "verifier": self.tokens,
                "credentials": self.vault,
                "access_identity": self.access_identity,
                "provider": provider,
                "api_key": LLM,
                **self.options,
            },
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


def bench(
    model: Any, *services: Any, access_identity: AccessIdentity = AccessIdentity.MACHINE, **options: Any
) -> Bench:
    """A graph of `services`; `model` is one, or its turns, and `options` are those of `built_graph`."""
    return Bench(model, list(services), access_identity, options)
