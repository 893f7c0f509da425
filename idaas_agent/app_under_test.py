"""The graph of an application in `AgentUnderTest`: as the server runs it, with a scripted model."""

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr

from graph.approvals.policies import Policies
from graph.callers import Verifier
from graph.limits import Limits
from graph.models.async_chat_model import AsyncChatModel
from graph.models.provider import ModelProvider
from idaas_agent.library.app_graph import AppGraph, Source
from idaas_agent.library.hosting import Host
from idaas_agent.library.identity import Identity
from idaas_agent.library.served_graph import ServedGraph
from idaas_agent.library.served_questions import ServedAnswers, ServedQuestions
from idaas_agent.library.tools import tools_of
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.service import Access, Service

_SECONDS = 600.0


def app_under_test(
    source: Source,
    services: Sequence[Service],
    provider: ModelProvider,
    *,
    verifier: Verifier,
    broker: CredentialBroker,
    audit: AuditTrail,
    person: Callable[[Policies], Policies],
) -> ServedGraph:
    """The graph of `source`. `identity.tools` returns the tools of `services`, whatever the application
    names; a parameter `model` of a function gets `provider` as a chat model.
    """
    settings: Any = SimpleNamespace(
        access_identity=AccessIdentity.HUMAN, approval_seconds=_SECONDS, ssl_cert_file=None
    )
    parts: Any = SimpleNamespace(
        broker=broker, audit=audit, clock=time.time, verifier=verifier, settings=settings
    )
    host = Host(parts=parts, person=person)
    app = AppGraph.of(source, settings, host, {"model": ScriptedChat.of(provider)}, _IdentityUnderTest)
    cast(_IdentityUnderTest, app.identity).services = services
    answers = ServedAnswers(services={}, access=_no_access, tools=app.identity.known_calls.tools)
    return ServedGraph(app, ServedQuestions(None, answers, _SECONDS), Limits().tool_rounds)


class _IdentityUnderTest(Identity):
    """Its tools are those of the kit."""

    services: Sequence[Service] = ()

    async def tools(self, services: object) -> Sequence[BaseTool]:  # noqa: ARG002 - whatever the app names
        """The tools that the test gives."""
        return await tools_of(self, self.services)


class ScriptedChat(AsyncChatModel):
    """A chat model of LangChain's that a `ModelProvider` answers."""

    _provider: ModelProvider = PrivateAttr()

    @classmethod
    def of(cls, provider: ModelProvider) -> "ScriptedChat":
        """The model of `provider`."""
        made = cls()
        made._provider = provider
        return made

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        tools = options.get("tools", ())
        response = await self._provider.complete(cast(Any, messages), tools, api_key=Secret(""), reader=None)
        return ChatResult(generations=[ChatGeneration(message=response)])


def _no_access(*_: object) -> Access:
    raise AssertionError("the kit asks nobody by a pause")
