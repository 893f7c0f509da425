"""Names for your own code: the identity of an app, services, tools, policies, errors, models and graphs.

`idaas_agent.issuers`, `.labels`, `.policies`, `.surfaces`, `.testing` and `.variables` are public too, and
nothing else of this project is. A name stays, with its meaning, until a version whose changelog has
announced its end in the version before. `docs/tools.md`, `models.md`, `graphs.md`, `middleware.md`,
`own-policy.md` and `plugins.md` show them in use.

A name is loaded when it is first used: importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from idaas_agent.extras import named_extra

if TYPE_CHECKING:
    from graph.build import build_graph as build_graph
    from graph.error_codes import GraphCode as GraphCode
    from graph.models.piece import Piece as Piece
    from graph.models.provider import ChatModelProvider as ChatModelProvider
    from graph.models.provider import ModelProvider as ModelProvider
    from graph.models.provider import ResponseReader as ResponseReader
    from graph.nodes.operator_code import NodeContext as NodeContext
    from graph.parts import GraphParts as GraphParts
    from graph.state import AgentState as AgentState
    from idaas_agent.library.identity import Identity as Identity
    from idaas_agent.library.run_context import IdentityContext as IdentityContext
    from identity.credentials.requirement import AccessTokenRequirement as AccessTokenRequirement
    from identity.credentials.requirement import ApiKeyRequirement as ApiKeyRequirement
    from identity.credentials.requirement import CloudRoleRequirement as CloudRoleRequirement
    from identity.credentials.requirement import Credential as Credential
    from identity.credentials.requirement import CredentialRequirement as CredentialRequirement
    from identity.credentials.requirement import IssuedJwtRequirement as IssuedJwtRequirement
    from identity.credentials.requirement import IssuerRequirement as IssuerRequirement
    from identity.credentials.requirement import OAuthTokenRequirement as OAuthTokenRequirement
    from identity.errors import AccessTokenError as AccessTokenError
    from identity.errors import AgentError as AgentError
    from identity.errors import ConfigurationError as ConfigurationError
    from identity.errors import CredentialError as CredentialError
    from identity.errors import ErrorCode as ErrorCode
    from identity.errors import ServiceError as ServiceError
    from identity.principal import AccessIdentity as AccessIdentity
    from identity.principal import Caller as Caller
    from identity.principal import Principal as Principal
    from identity.secrets.secret import Secret as Secret
    from tools import VERSION as __version__  # noqa: F401, N811 - the name that a package's version has
    from tools.approval_policy import READS as READS
    from tools.approval_policy import ApprovalMode as ApprovalMode
    from tools.approval_policy import ArgumentRule as ArgumentRule
    from tools.approval_policy import Data as Data
    from tools.approval_policy import Effect as Effect
    from tools.approval_policy import ToolPolicy as ToolPolicy
    from tools.approval_policy import Trust as Trust
    from tools.arguments.fault import ArgumentFault as ArgumentFault
    from tools.error_codes import ToolCode as ToolCode
    from tools.http_service.client import ServiceClient as ServiceClient
    from tools.http_service.service import HTTPService as HTTPService
    from tools.mcp_service.service import MCPService as MCPService
    from tools.progress import progress as progress
    from tools.service import Access as Access
    from tools.service import Service as Service
    from tools.service import ToolResult as ToolResult
    from tools.service import ToolSchema as ToolSchema

_NAMES: Final = {
    "identity.credentials.requirement": (
        "AccessTokenRequirement ApiKeyRequirement CloudRoleRequirement Credential CredentialRequirement "
        "IssuedJwtRequirement IssuerRequirement OAuthTokenRequirement"
    ),
    "idaas_agent.library.identity": "Identity",
    "idaas_agent.library.run_context": "IdentityContext",
    "identity.errors": (
        "AccessTokenError AgentError ConfigurationError CredentialError ErrorCode ServiceError"
    ),
    "identity.principal": "AccessIdentity Caller Principal",
    "identity.secrets.secret": "Secret",
    "tools.approval_policy": "READS ApprovalMode ArgumentRule Data Effect ToolPolicy Trust",
    "tools.arguments.fault": "ArgumentFault",
    "tools.error_codes": "ToolCode",
    "tools.progress": "progress",
    "tools.http_service.client": "ServiceClient",
    "tools.http_service.service": "HTTPService",
    "tools.mcp_service.service": "MCPService",
    "tools.service": "Access Service ToolResult ToolSchema",
    "graph.build": "build_graph",
    "graph.error_codes": "GraphCode",
    "graph.models.piece": "Piece",
    "graph.models.provider": "ChatModelProvider ModelProvider ResponseReader",
    "graph.nodes.operator_code": "NodeContext",
    "graph.parts": "GraphParts",
    "graph.state": "AgentState",
}
"""The names, by the modules in which they are."""

__all__ = sorted(["__version__", *(name for names in _NAMES.values() for name in names.split())])


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the types are those above
    if name == "__version__":
        from tools import VERSION

        return VERSION
    for module, names in _NAMES.items():
        if name in names.split():
            with named_extra(name):
                return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
