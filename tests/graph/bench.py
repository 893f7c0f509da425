"""A graph under test, with its seams in memory."""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage

from graph.build import build_graph
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.models.provider import ChatModelProvider
from identity.access_identity import AccessIdentity
from identity.credentials.requirement import ApiKeyRequirement
from identity.secrets.secret import Secret
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens, Vault
from tests.graph.scripted_model import ScriptedModel

LLM = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)


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
