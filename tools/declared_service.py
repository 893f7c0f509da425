"""Makes the service that a file or a variable declares (`tools.service_declarations`)."""

import importlib
import importlib.util
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from identity.error_codes import IdentityCode
from identity.errors import ErrorCode
from identity.observation.failure import raised
from tools.error_codes import ToolCode
from tools.http_service.service import HTTPService
from tools.service import Access
from tools.service_declarations import HTTPDeclaration, ServiceDeclaration
from tools.services_file import right_declarations
from tools.titles import misleading_arguments, unknown_arguments

if TYPE_CHECKING:
    from tools.mcp_service.service import MCPService


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """One declaration, and how its failures are reported.

    `settings` names the settings of its address and of its credential, in this order; one name if one setting
    has both. `error_code` is the code of a failed call, `key_error_code` of an API key that is refused.
    """

    name: str
    declaration: ServiceDeclaration
    settings: tuple[str, ...]
    error_code: ErrorCode = ToolCode.SERVICE_FAILED
    key_error_code: ErrorCode = IdentityCode.SERVICE_KEY_UNAVAILABLE
    reading: tuple[str, ...] = ()
    """Tools that a server lists and that are known to read."""

    def made(self, folder: Path, tls: ssl.SSLContext) -> "HTTPService | MCPService":
        """The service. `folder` is that of the file which declares it, `tls` what the service trusts. Raises
        what the code that `python` names raises.
        """
        declaration = self.declaration
        credential = declaration.requirement(self.key_error_code)
        common: dict[str, Any] = {
            "access_identity": declaration.access_identity,
            "error_code": self.error_code,
            "settings": self.settings,
            "prefix": declaration.prefix,
            "data": declaration.data,
            "policies": {tool: policy.made() for tool, policy in declaration.policies.items()},
            "ssl_context": tls,
            "seconds": declaration.timeout_seconds,
        }
        if isinstance(declaration, HTTPDeclaration):
            service = HTTPService(
                self.name,
                declaration.url,
                credential,
                max_bytes=declaration.max_response_bytes,
                max_characters=declaration.max_result_characters,
                max_request_bytes=declaration.max_request_bytes,
                lends=declaration.lends_credential,
                **common,
            )
            load_function(declaration.python, folder)(service, declaration.settings)
            return service
        from tools.mcp_service.service import MCPService  # its SDK takes long to load

        assert credential is not None  # noqa: S101 - the declaration was validated
        return MCPService(
            self.name,
            declaration.url,
            credential,
            allowed_tools=declaration.tools,
            reading_tools=self.reading,
            trusted=declaration.trusted,
            **common,
        )


def code_faults(path: Path, *, named: str) -> list[str]:
    """Faults of the own code of services whose tables are right, in a file with faults: what the code raises,
    and policies of tools that it does not add. Nothing is called but what adds the tools.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without authorities: no request is sent
    faults: list[str] = []
    for name, declaration in right_declarations(path).items():
        place = f"{named}: services.{name}"
        if not isinstance(declaration, HTTPDeclaration):
            continue
        try:
            made = DeclaredService(name, declaration, (place,)).made(path.parent, tls)
        except Exception as error:  # noqa: BLE001 - own code raises anything
            faults.append(f"{place}.python cannot be used: {raised(error)}")
            continue
        faults += [f'{place}.policies: the service has no tool "{tool}"' for tool in unused_policies(made)]
        faults += [f"{place}.{fault}" for fault in title_faults(made, declaration)]
    return faults


def load_function(reference: str, folder: Path | None = None) -> Callable[..., Any]:
    """The function that `reference` names. A file is relative to `folder`. Raises what the import raises."""
    module_name, _, name = reference.partition(":")
    if folder is None or not module_name.endswith(".py"):
        module = importlib.import_module(module_name)
    else:
        path = folder / module_name
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(name=module_name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, name)
    return function


def unused_policies(service: "HTTPService | MCPService") -> tuple[str, ...]:
    """The tools with a declared policy that the service does not have: a misspelled name would leave a tool
    without its policy. Not known of a server that lists its tools.
    """
    return tuple(service.unused_policies) if isinstance(service, HTTPService) else ()


def title_faults(service: "HTTPService | MCPService", declaration: ServiceDeclaration) -> list[str]:
    """The titles of tools and arguments that the service does not have. Not known of a server that lists its
    tools.
    """
    if not isinstance(service, HTTPService):
        return []
    nobody = cast("Access", None)  # an HTTPService has the same tools for every caller
    tools = {
        tool.name.removeprefix(declaration.prefix): tool.parameters.get("properties", {})
        for node in service.services
        for tool in node.cached_tools(nobody)
    }
    faults: list[str] = []
    for tool in declaration.titles:
        if tool not in tools:
            faults.append(f'titles: the service has no tool "{tool}"')
            continue
        faults += [
            f'titles.{tool}.arguments: the tool has no argument "{name}"'
            for name in unknown_arguments(declaration.titles, tool, tools[tool])
        ]
        faults += [
            f"titles.{tool}.arguments.{name}: is the name of another argument"
            for name in misleading_arguments(declaration.titles, tool, tools[tool])
        ]
    return faults
