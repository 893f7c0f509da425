"""Reads a file that declares services, as TOML: SERVICES_FILE, or one that an application names.

`docs/services.schema.json` is the JSON Schema of its form, generated from these models.
"""

import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from identity.secrets.secret_file import read_bounded_text
from tools.service_declarations import FileDeclaration, IssuerDeclaration

BUILT_IN: Final = "amap"
"""The name of the server that `EXTERNAL_SERVER_URL` names."""

RESERVED_NAMES: Final = frozenset(
    {"approvals", "authenticate", "credentials", "enterprise", "leave", "model"}
)
"""The names of the graph's nodes and of the other services that the variables declare."""

MAX_BYTES: Final = 1024 * 1024
_TYPES: Final = ("http", "mcp", "built-in")


_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class ServicesFile(BaseModel):
    """The whole file: `[services.NAME]` for each service, `[issuers.NAME]` for each issuer beside IDaaS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: dict[_Name, Annotated[FileDeclaration, Field(discriminator="type")]] = Field(
        default_factory=dict
    )
    issuers: dict[_Name, IssuerDeclaration] = Field(default_factory=dict)


def read_services_file(
    path: Path,
    *,
    named: str = "SERVICES_FILE",
    reserved: Collection[str] = RESERVED_NAMES,
    built_in: str | None = BUILT_IN,
) -> tuple[ServicesFile, list[str]]:
    """The declarations, and all faults of the file, each with its place and without values.

    With a fault there are no declarations. `named` is what the faults call the file. `reserved` are names
    that no service has, and `built_in` is that of the service whose type may be "built-in"; `None`: none is.
    Not checked: whether `python` can be loaded.
    """
    try:
        members = tomllib.loads(read_bounded_text(path, MAX_BYTES))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = str(error).rpartition("(")[2].rstrip(")")
        return ServicesFile(), [f"{named} must be TOML: fault {place}"]
    except ValueError as error:
        return ServicesFile(), [f"{named} names a file that {error}"]
    declared = ServicesFile()
    faults = _misplaced(members, reserved, built_in)
    try:
        declared = ServicesFile.model_validate(members)
    except ValidationError as error:
        faults += [_fault(fault) for fault in error.errors(include_url=False)]
    if faults:
        return ServicesFile(), [f"{named}: {fault}" for fault in faults]
    return declared, []


def right_declarations(path: Path) -> dict[str, FileDeclaration]:
    """The declarations of a file that are right by themselves; none if it cannot be read."""
    try:
        members = tomllib.loads(read_bounded_text(path, MAX_BYTES))
    except (ValueError, RecursionError):
        return {}
    declared: dict[str, FileDeclaration] = {}
    entries = members.get("services")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        with suppress(ValidationError):
            declared |= ServicesFile.model_validate({"services": {name: entry}}).services
    return declared


def sum_faults(services: Mapping[str, FileDeclaration]) -> list[str]:
    """Faults of policies that name a sum, where no decision point learns it."""
    return [
        f"SERVICES_FILE: services.{name}.policies.{tool}.sum must not be set without POLICY_URL"
        for name, service in services.items()
        for tool, policy in service.policies.items()
        if policy.sum is not None
    ]


def _misplaced(members: dict[str, Any], reserved: Collection[str], built_in: str | None) -> list[str]:
    """Faults of names that are taken, of type "built-in" under another name than the built-in server's, and
    of the reverse.
    """
    services = members.get("services")
    if not isinstance(services, dict):
        return []
    taken = sorted(services.keys() & set(reserved))
    faults = [f"services.{name} is the name of an existing service or node" for name in taken]
    for name, entry in services.items():
        if not isinstance(entry, dict):
            continue
        is_built_in = entry.get("type") == "built-in"
        if name == built_in and not is_built_in:
            faults.append(f'services.{name}.type must be "built-in"')
        if name != built_in and is_built_in:
            faults.append(f'services.{name}.type must not be "built-in"')
    return faults


def _fault(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    steps = [str(step) for step in fault["loc"]]
    if len(steps) > 2 and steps[2] in _TYPES:  # the member of the union that `type` chose
        del steps[2]
    place = ".".join(steps)
    kind = fault["type"]
    if kind == "missing":
        return f"{place} must be set"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{place} is unknown"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f'{place}.type must be "http" or "mcp"'
    if kind == "value_error":
        return f"{place} {str(fault['msg']).removeprefix('Value error, ')}"
    return f"{place}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"
