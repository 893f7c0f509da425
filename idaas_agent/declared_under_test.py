"""The declaration of one service of a services file, for a test."""

from pathlib import Path
from typing import TypeVar

from tools.service_declarations import HTTPDeclaration, MCPDeclaration
from tools.services_file import read_services_file

Declaration = TypeVar("Declaration", HTTPDeclaration, MCPDeclaration)


def declared_under_test(path: Path, name: str, kind: type[Declaration]) -> Declaration:
    """That of the service `name`, of this kind. Raises `ValueError` with all faults of the file, or of a
    service of another kind.
    """
    file, faults = read_services_file(path, named=path.name)
    if faults:
        raise ValueError("\n".join(faults))
    declaration = file.services.get(name)
    if not isinstance(declaration, kind):
        word = "http" if kind is HTTPDeclaration else "mcp"
        fault = f'{path.name}: services.{name} must be a service of the type "{word}"'
        raise ValueError(fault)  # noqa: TRY004 - of the file
    return declaration
