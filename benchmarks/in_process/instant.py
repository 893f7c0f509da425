"""Parts of an agent that respond immediately, so that only the code around them is measured."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.idaas.issuer import PAM_TOKEN
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.approval_policy import DEFAULT_POLICY, ToolPolicy
from tools.arguments.fault import ArgumentFault
from tools.error_codes import ToolCode
from tools.service import Access, ToolResult, ToolSchema

if TYPE_CHECKING:
    from agent.runs.runs import AgentGraph
    from graph.callers import Verifier

LLM: Final = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)
AMAP: Final = ApiKeyRequirement("amap_api_key")
ENTERPRISE: Final = AccessTokenRequirement("https://enterprise.benchmark.example|service.invoke")
NEEDS: Final[tuple[CredentialRequirement, ...]] = (LLM, AMAP, ENTERPRISE)


class InstantIssuer:
    """A `CredentialIssuer` without IDaaS: every call succeeds immediately."""

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        """As with IDaaS: an API key requires a token for the credential store."""
        return PAM_TOKEN if isinstance(requirement, ApiKeyRequirement) else None

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,  # noqa: ARG002 - the protocol's
        prerequisite: Secret | None,  # noqa: ARG002 - the protocol's
    ) -> IssuedCredential:
        """See `CredentialIssuer`."""
        if isinstance(requirement, ApiKeyRequirement):
            return IssuedCredential(Secret(f"key {requirement.identifier}"))
        secret = Secret(f"{access_identity}'s for {requirement}")
        return IssuedCredential(secret, time.time() + 1200)


class ToollessService:
    """A `Service` that requires a credential and has no tools, so that only its credential is measured."""

    access_identity = None
    error_code = ToolCode.EXTERNAL_SERVICE_FAILED
    settings = ()
    tool_names: frozenset[str] = frozenset()

    def __init__(self, name: str, credential: CredentialRequirement) -> None:
        self.name = name
        self.credential = credential

    async def tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def cached_tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def policy(self, tool: str) -> ToolPolicy:  # noqa: ARG002 - the protocol's
        """The default."""
        return DEFAULT_POLICY

    async def argument_faults(
        self,
        tool: str,  # noqa: ARG002 - the protocol's
        arguments: Mapping[str, Any],  # noqa: ARG002 - the protocol's
        access: Access,  # noqa: ARG002 - the protocol's
    ) -> Sequence[ArgumentFault]:
        """None."""
        return ()

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Is never called."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing."""


def instant_graph(verifier: "Verifier", credentials: CredentialBroker) -> "AgentGraph":
    """The agent's graph under Human identity, with two services and an instant model."""
    # Imported here: most processes that import this module do not need LangChain and start faster without it.
    from benchmarks.servers.stand_ins.instant_model import InstantModel
    from graph.build import build_graph
    from graph.models.provider import ChatModelProvider
    from graph.parts import RunIdentity, RunModel, graph_parts

    parts = graph_parts(
        [ToollessService("amap", AMAP), ToollessService("enterprise", ENTERPRISE)],
        identity=RunIdentity(
            verifier=verifier, credentials=credentials, access_identity=AccessIdentity.HUMAN
        ),
        model=RunModel(provider=ChatModelProvider(InstantModel()), api_key=LLM),
    )
    return build_graph(parts)
