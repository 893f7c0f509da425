"""Parts of an agent that respond immediately, so that only the code around them is measured."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from identity.access_identity import AccessIdentity
from identity.credentials.credential import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CredentialRequirement,
    CredentialSource,
)
from identity.error_table import ErrorCode
from identity.idaas.token_response import IssuedToken
from identity.secret import Secret
from tools.service import Access, ToolResult, ToolSchema

if TYPE_CHECKING:
    from agent.run import AgentGraph
    from graph.nodes.caller import Verifier

LLM: Final = ApiKeyRequirement("llm_api_key", ErrorCode.LLM_API_KEY_UNAVAILABLE)
AMAP: Final = ApiKeyRequirement("amap_api_key")
ENTERPRISE: Final = AccessTokenRequirement("https://enterprise.benchmark.example|service.invoke")
NEEDS: Final[tuple[CredentialRequirement, ...]] = (LLM, AMAP, ENTERPRISE)


class InstantIssuer:
    """A `CredentialIssuer` without IDaaS: every call succeeds immediately."""

    async def machine_token(self, scope: str) -> IssuedToken:
        """See `CredentialIssuer`."""
        return IssuedToken(Secret(f"machine's for {scope}"), time.time() + 1200)

    async def exchange(self, subject_token: Secret, scope: str) -> IssuedToken:  # noqa: ARG002 - the protocol's
        """See `CredentialIssuer`."""
        return IssuedToken(Secret(f"user's for {scope}"), time.time() + 1200)

    async def obtain_api_key(self, pam_token: Secret, need: ApiKeyRequirement) -> Secret:  # noqa: ARG002 - the protocol's
        """See `CredentialIssuer`."""
        return Secret(f"key {need.identifier}")


class ToollessService:
    """A `Service` that requires a credential and has no tools, so that only its credential is measured."""

    access_identity = None
    failure = ErrorCode.EXTERNAL_SERVICE_FAILED
    settings = ()

    def __init__(self, name: str, needs: CredentialRequirement) -> None:
        self.name = name
        self.needs = needs

    async def tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def cached_tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Is never called."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing."""


def instant_graph(verifier: "Verifier", credentials: CredentialSource) -> "AgentGraph":
    """The agent's graph under Human identity, with two services and a model that always replies "Hello."."""
    # Imported here: most processes that import this module do not need LangChain and start faster without it.
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    from graph.build import build_graph

    return build_graph(
        model=FakeListChatModel(responses=["Hello."]),
        services=[ToollessService("amap", AMAP), ToollessService("enterprise", ENTERPRISE)],
        verifier=verifier,
        credentials=credentials,
        access_identity=AccessIdentity.HUMAN,
        llm_api_key=LLM,
    )
