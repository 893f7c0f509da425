"""The issuers that a file of services declares, and those that its services name and that are installed."""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from identity.credentials.added_issuers import AddedIssuer, Issuer, checked
from identity.credentials.requirement import IssuerRequirement
from identity.observation.failure import raised
from identity.parts import IdentityParts
from tools.declared_service import load_function
from tools.service import Service
from tools.service_declarations import IssuerDeclaration

ENTRY_POINTS: Final = "idaas_agent.issuers"
"""The group of entry points by which installed packages add issuers. An entry is a class of `Issuer`."""


def add_issuers(
    parts: IdentityParts,
    services: Iterable[Service],
    declared: Mapping[str, IssuerDeclaration],
    folder: Path = Path(),
    *,
    named: str,
) -> list[str]:
    """Adds to `parts` the issuers that are `declared` by a file in `folder`, and those that `services` name
    and that are installed. Returns all faults, each with its place: also those of what the services ask them
    for. `named` is what the faults call the file.

    An issuer that is there already stays as it is: services may name it, and another file may declare the
    same. One that the file declares differently is a fault.
    """
    required = [(service, part) for service in services for part in _required(service)]
    if not declared and not required:
        return []
    issuers = parts.issuers
    undeclared = {part.issuer for _, part in required} - declared.keys()
    faults: list[str] = []
    unusable: set[str] = set()
    for name in sorted(declared.keys() & {*issuers.names}):
        if issuers.declaration(name) != _declaration(declared[name], folder):
            faults.append(f"{named}: issuers.{name} differs from that of another file")
            unusable.add(name)
    for name in sorted({*declared, *undeclared} - {*issuers.names}):
        declaration = declared.get(name, IssuerDeclaration())
        try:
            added = _added(name, declaration, folder, parts)
        except _FaultError as error:
            faults.append(f"{named}: issuers.{name}{error}")
            unusable.add(name)
            continue
        if added is not None:
            issuers.add(name, added)
        elif name in declared:
            faults.append(f"{named}: issuers.{name} must have python, or be installed")
            unusable.add(name)
    for service, part in required:
        if part.issuer not in unusable and (fault := issuers.fault(part)):
            faults.append(f"services.{service.name}.issuer_credential: {fault}")
    return faults


def _declaration(declaration: IssuerDeclaration, folder: Path) -> object:
    """The declaration, with the folder in which its own code is looked for."""
    return declaration, folder.resolve() if declaration.python else None


class _FaultError(ValueError):
    """A fault of an issuer, to be read after its name."""


def _required(service: Service) -> list[IssuerRequirement]:
    parts = () if service.credential is None else service.credential.parts
    return [part for part in parts if isinstance(part, IssuerRequirement)]


def _loaded(name: str, declaration: IssuerDeclaration, folder: Path) -> type[Issuer[Any]] | None:
    """The class of the issuer; `None` if no package has it. Raises `_FaultError`."""
    installed = [] if declaration.python else [*entry_points(group=ENTRY_POINTS, name=name)]
    if len(installed) > 1:
        raise _FaultError(": two installed packages have an issuer of this name")
    if declaration.python is None and not installed:
        return None
    loaded: object
    try:
        if declaration.python is None:
            loaded = installed[0].load()
        else:
            loaded = load_function(declaration.python, folder)
    except Exception as error:  # noqa: BLE001 - code of others raises anything
        raise _FaultError(f" cannot be used: {raised(error)}") from None
    if not isinstance(loaded, type) or not issubclass(loaded, Issuer):
        raise _FaultError(" must be a class of idaas_agent.issuers.Issuer")
    return loaded


def _added(
    name: str, declaration: IssuerDeclaration, folder: Path, parts: IdentityParts
) -> AddedIssuer | None:
    """The issuer; `None` if no package has it. Raises `_FaultError`."""
    issuer_type = _loaded(name, declaration, folder)
    if issuer_type is None:
        return None
    if issuer_type.needs_user_token and not declaration.user_token:
        raise _FaultError(": needs the access tokens of users: user_token must be true to permit it")
    try:
        settings = checked(issuer_type.Settings, declaration.settings)
    except ValueError as error:
        raise _FaultError(f".settings: {error}") from None
    try:
        issuer = issuer_type(settings, http=parts.http, clock=parts.clock)
    except Exception as error:  # noqa: BLE001 - code of others raises anything
        raise _FaultError(f" cannot be used: {raised(error)}") from None
    declared = _declaration(declaration, folder)
    return AddedIssuer(issuer, declaration.user_token, declaration.timeout_seconds, declared)
