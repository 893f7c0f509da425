"""`Identity.tools`: LangChain tools of services, which are declared in a file or given as objects."""

import ssl
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from idaas_agent.library.governed_calls import GovernedCalls
from idaas_agent.library.governed_tool import Governed, GovernedTool
from idaas_agent.library.open_calls import CallsOfIdentity, OpenIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, AgentError, ConfigurationError
from identity.observation.failure import raised
from identity.parts import IdentityParts
from identity.principal import AccessIdentity
from tools.declared_issuers import add_issuers
from tools.declared_service import DeclaredService, title_faults, unused_policies
from tools.http_service.service import nodes_of
from tools.service import Service, ToolSchema
from tools.service_declarations import BuiltInDeclaration
from tools.services_file import ServicesFile, read_services_file


async def tools_of(identity: OpenIdentity, services: Sequence[Service] | str | Path) -> list[GovernedTool]:
    """The tools of `services`: objects, or the path of a file that declares them.

    The tools of an MCP server are those that it lists now, under Human for the caller of the run or of
    `acting_for`. Raises `ConfigurationError` with all faults.
    """
    file = _read(Path(services)) if isinstance(services, str | Path) else ServicesFile()

    def made(opened: IdentityParts) -> list[Service]:
        if not isinstance(services, str | Path):
            given = _flat(services)
            _add_issuers(opened, given, file, named="the services")
            return given
        path = Path(services)
        with identity.proxies.used():
            from_file = _made(_declared(file, path.name), path.parent, opened.tls)
        for service in from_file:
            opened.users.push_async_callback(service.aclose)
        _add_issuers(opened, from_file, file, path.parent, named=path.name)
        return from_file

    source = CallsOfIdentity(identity, made)
    calls = await source.calls()
    tools: list[GovernedTool] = []
    faults: list[str] = []
    for service in calls.services:
        try:
            schemas = await _listed(identity, service, calls)
        except AgentError as error:
            faults.append(f'service "{service.name}": {_reason(error, service)}')
            continue
        for schema in schemas:
            calls.declare_labels(service.name, schema.name)
            tools.append(GovernedTool.of(Governed(service.name, schema, source)))
    names = Counter(tool.name for tool in tools)
    faults += [f'two services have a tool "{name}": give one a prefix' for name, n in names.items() if n > 1]
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return tools


def _read(path: Path) -> ServicesFile:
    """The declarations in a file. Raises `ConfigurationError` with all its faults."""
    file, faults = read_services_file(path, named=path.name, reserved=(), built_in=None)
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return file


def _declared(file: ServicesFile, named: str) -> list[DeclaredService]:
    """The services of a file of that name."""
    return [
        DeclaredService(name, declaration, (f"services.{name} in {named}",))
        for name, declaration in file.services.items()
        if not isinstance(declaration, BuiltInDeclaration)
    ]


def _made(declared: Sequence[DeclaredService], folder: Path, tls: ssl.SSLContext) -> list[Service]:
    """The services of declarations. Raises `ConfigurationError` with each that cannot be used, by what it
    `raised`.
    """
    services: list[Service] = []
    faults: list[str] = []
    for declaration in declared:
        place = f"services.{declaration.name}"
        try:
            service = declaration.made(folder, tls)
        except Exception as error:  # noqa: BLE001 - third-party code may raise anything
            faults.append(f"{place} cannot be used: {raised(error)}")
            continue
        faults += [f'{place}.policies: the service has no tool "{tool}"' for tool in unused_policies(service)]
        faults += [f"{place}.{fault}" for fault in title_faults(service, declaration.declaration)]
        services += _flat([service])
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return services


def _add_issuers(
    opened: IdentityParts,
    services: Sequence[Service],
    file: ServicesFile,
    folder: Path = Path(),
    *,
    named: str,
) -> None:
    """Raises `ConfigurationError` with each issuer that cannot be used, and what it is asked for in vain."""
    faults = add_issuers(opened, services, file.issuers, folder, named=named)
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)


def _flat(services: Sequence[Service]) -> list[Service]:
    """`services`, each with those that have another permission. Raises `ConfigurationError` for a name that
    two have.
    """
    flat: list[Service] = []
    for service in services:
        flat += nodes_of(service)
    names = Counter(service.name for service in flat)
    if twice := sorted(name for name, count in names.items() if count > 1):
        faults = [f'service "{name}" is there twice' for name in twice]
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return flat


async def _listed(identity: OpenIdentity, service: Service, calls: GovernedCalls) -> Sequence[ToolSchema]:
    """The tools of a service, listed for the caller who may be there. Raises `AgentError`."""
    access = calls.access(service.name, None)
    known = service.cached_tools(access)
    if known is not None:
        return known
    required = access.requirement
    if required is not None and required.access_identity is AccessIdentity.HUMAN:
        access = calls.access(service.name, await _caller(identity))
    return await service.tools(access)


async def _caller(identity: OpenIdentity) -> VerifiedAccessToken:
    try:
        return await identity.required_caller()
    except AccessTokenError:
        text = "its server lists its tools for a user: call identity.tools within identity.acting_for"
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, [text]) from None


def _reason(error: AgentError, service: Service) -> str:
    if isinstance(error, ConfigurationError):
        return "; ".join(error.faults)
    return f"its tools cannot be listed: {error.code} ({', '.join(service.settings)})"
