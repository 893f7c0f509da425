"""What your own code imports: services, tools, policies, credentials, results, errors, models and graphs.

Nothing else of this project is public. A name stays, with its meaning, until a version whose changelog has
announced its end in the version before. `docs/extending.md`, `models.md` and `graphs.md` show them in use.

A name is loaded when it is first used: importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from graph.build import build_graph
    from graph.error_codes import GraphCode
    from graph.models.piece import Piece
    from graph.models.provider import ChatModelProvider, ModelProvider, ResponseReader
    from graph.nodes.own import NodeContext
    from graph.parts import GraphParts
    from graph.state import AgentState
    from identity.credentials.requirement import (
        AccessTokenRequirement,
        ApiKeyRequirement,
        CloudRoleRequirement,
        Credential,
        CredentialRequirement,
        IssuedJwtRequirement,
        OAuthTokenRequirement,
    )
    from identity.errors import AgentError, ErrorCode, ServiceError
    from identity.principal import AccessIdentity, Caller
    from identity.secrets.secret import Secret
    from tools import VERSION as __version__  # noqa: N811 - the name that a package's version has
    from tools.approval_policy import READS, ApprovalMode, ArgumentRule, Data, Effect, ToolPolicy, Trust
    from tools.arguments.fault import ArgumentFault
    from tools.error_codes import ToolCode
    from tools.http_service.client import ServiceClient
    from tools.http_service.service import HTTPService
    from tools.mcp_service.service import MCPService
    from tools.progress import progress
    from tools.service import Access, Service, ToolResult, ToolSchema

__all__ = [
    "READS",
    "Access",
    "AccessIdentity",
    "AccessTokenRequirement",
    "AgentError",
    "AgentState",
    "ApiKeyRequirement",
    "ApprovalMode",
    "ArgumentFault",
    "ArgumentRule",
    "Caller",
    "ChatModelProvider",
    "CloudRoleRequirement",
    "Credential",
    "CredentialRequirement",
    "Data",
    "Effect",
    "ErrorCode",
    "GraphCode",
    "GraphParts",
    "HTTPService",
    "IssuedJwtRequirement",
    "MCPService",
    "ModelProvider",
    "NodeContext",
    "OAuthTokenRequirement",
    "Piece",
    "ResponseReader",
    "Secret",
    "Service",
    "ServiceClient",
    "ServiceError",
    "ToolCode",
    "ToolPolicy",
    "ToolResult",
    "ToolSchema",
    "Trust",
    "__version__",
    "build_graph",
    "progress",
]

_MODULES: Final = (
    "identity.credentials.requirement",
    "identity.errors",
    "identity.principal",
    "identity.secrets.secret",
    "tools.approval_policy",
    "tools.arguments.fault",
    "tools.error_codes",
    "tools.progress",
    "tools.http_service.client",
    "tools.http_service.service",
    "tools.mcp_service.service",
    "tools.service",
    "graph.build",
    "graph.error_codes",
    "graph.models.piece",
    "graph.models.provider",
    "graph.nodes.own",
    "graph.parts",
    "graph.state",
)
"""In which the names are, those first that cost the least to import."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the types are those above
    if name == "__version__":
        return import_module("tools").VERSION
    for module in _MODULES if name in __all__ else ():
        if hasattr(found := import_module(module), name):
            return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=None)
