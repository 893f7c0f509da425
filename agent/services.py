"""The services whose tools the agent has: of the variables, of SERVICES_FILE, and of installed packages.

A tool of your own needs no line here: `docs/extending.md`.
"""

import importlib
import importlib.util
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from agent.error_codes import AgentCode
from agent.error_table import ENTERPRISE_SETTINGS, EXTERNAL_SETTINGS
from agent.settings.services_file import HTTPDeclaration, ServiceDeclaration
from agent.settings.variables import Settings
from identity.credentials.placement import BEARER
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.errors import ConfigurationError
from tools.amap import amap
from tools.enterprise import enterprise
from tools.http_service.service import HTTPService
from tools.leave import leave
from tools.mcp_service.service import MCPService
from tools.service import Service

_LEAVE_SETTINGS: Final = ("LEAVE_SERVICE_URL", "LEAVE_SERVICE_SCOPE")

ENTRY_POINTS: Final = "idaas_agent.services"
"""The group. Each is a function that takes the `ssl.SSLContext` to trust and returns a `Service`."""


def services(
    settings: Settings, tls: ssl.SSLContext, installed: Iterable[EntryPoint] | None = None
) -> Sequence[Service]:
    """In the order in which the model sees them. `tls` is what they trust.

    Raises `ConfigurationError` with every service that cannot be loaded, by name. Code of a service that
    fails is named by the type of its exception only, whose text may have anything in it.
    """
    s = settings
    listed: list[Service] = [
        amap(
            s.external_server_url,
            s.external_server_api_key_identifier,
            settings=EXTERNAL_SETTINGS,
            ssl_context=tls,
        ),
        enterprise(
            s.enterprise_service_url,
            s.enterprise_service_scope,
            settings=ENTERPRISE_SETTINGS,
            ssl_context=tls,
        ),
    ]
    if s.leave_service_url and s.leave_service_scope:
        listed.append(
            leave(s.leave_service_url, s.leave_service_scope, settings=_LEAVE_SETTINGS, ssl_context=tls)
        )
    faults: list[str] = []
    folder = s.services_file.parent if s.services_file else Path()
    for name, declaration in s.services.items():
        try:
            listed.append(_declared(name, declaration, folder, tls))
        except Exception as error:  # noqa: BLE001 - other people's code, whatever it raises
            faults.append(f"SERVICES_FILE: services.{name}.python cannot be used: {_reason(error)}")
    for entry in entry_points(group=ENTRY_POINTS) if installed is None else installed:
        try:
            listed.append(entry.load()(tls))
        except Exception as error:  # noqa: BLE001 - as above
            faults.append(f'entry point "{entry.name}" cannot be used: {_reason(error)}')
    names = [service.name for service in listed]
    faults += [
        f'service "{name}" is declared twice' for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if faults:
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, faults)
    return listed


def _declared(name: str, declaration: ServiceDeclaration, folder: Path, tls: ssl.SSLContext) -> Service:
    d = declaration
    placement = BEARER if d.placement is None else d.placement.value()
    credential: CredentialRequirement | None = None
    if d.access_token is not None:
        credential = AccessTokenRequirement(d.access_token, placement)
    elif d.api_key is not None:
        credential = ApiKeyRequirement(d.api_key, placement=placement)
    settings = (f"services.{name} in SERVICES_FILE",)
    if isinstance(d, HTTPDeclaration):
        service = HTTPService(
            name,
            d.url,
            credential,
            access_identity=d.access_identity,
            settings=settings,
            ssl_context=tls,
            seconds=d.timeout_seconds,
        )
        _function(d.python, folder)(service, d.settings)
        return service
    assert credential is not None  # noqa: S101 - the declaration was validated
    return MCPService(
        name,
        d.url,
        credential,
        access_identity=d.access_identity,
        allowed_tools=d.tools,
        settings=settings,
        ssl_context=tls,
        seconds=d.timeout_seconds,
    )


def _function(reference: str, folder: Path) -> Callable[[HTTPService, Mapping[str, Any]], object]:
    """What `package.module:name` or `file.py:name` names. Raises whatever the import does."""
    module_name, _, name = reference.partition(":")
    if not module_name.endswith(".py"):
        module = importlib.import_module(module_name)
    else:
        path = folder / module_name
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(name=module_name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    function: Callable[[HTTPService, Mapping[str, Any]], object] = getattr(module, name)
    return function


def _reason(error: Exception) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
    return f"it raised {type(error).__name__}{where}"
