"""The policies of an application's own tools, as a TOML file: a table for each tool, by its name.

    [policies.search]
    effect = "read"

    [policies.send_mail]
    effect = "external"

A table is the one that a service's tools have in the file of services (`docs/services.schema.json`).
"""

import tomllib
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.secrets.secret_file import read_bounded_text
from tools.approval_policy import ToolPolicy
from tools.service_declarations import PolicyDeclaration

_MAX_BYTES: Final = 1024 * 1024


class _PolicyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    policies: dict[str, PolicyDeclaration] = Field(default_factory=dict)


def read_policy_file(path: Path) -> dict[str, ToolPolicy]:
    """The policies by the names of tools. Raises `ConfigurationError` with all faults, without values."""
    try:
        members = tomllib.loads(read_bounded_text(path, _MAX_BYTES))
    except (tomllib.TOMLDecodeError, RecursionError):
        faults = [f"{path.name} must be TOML"]
    except ValueError as error:
        faults = [f"{path.name} is a file that {error}"]
    else:
        try:
            found = _PolicyFile.model_validate(members)
        except ValidationError as error:
            listed = error.errors(include_url=False, include_context=False, include_input=False)
            faults = [f"{path.name}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in listed]
        else:
            return {name: declared.made() for name, declared in found.policies.items()}
    raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
