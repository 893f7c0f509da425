"""The variables of an application that uses the library: those of identity, and no model's or server's."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, InstanceOf

from graph.approvals.variables import ApprovalVariables
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.secrets.secret import Secret
from identity.settings.env_file import read_env_file, with_env_file
from identity.settings.key_files import ConversationKeysFile
from identity.settings.settings import IdentitySettings, IdentityVariables, read_identity_settings
from identity.settings.values import SecretInFile, VariableGroup, parsed_by


def _postgresql(value: str) -> Secret | None:
    """A URL of a PostgreSQL, which may have a password; `None` for any other place of conversations."""
    return Secret(value) if value.startswith(("postgresql://", "postgres://")) else None


class RevocationPlaces(VariableGroup):
    """The database of revocations of an agent beside the application. Without both, there is none."""

    heading = "Revocations"

    revocations_file: Path | None = None
    """The SQLite file of `idaas-agent revoke` and of an agent on this machine."""
    conversations_url: Annotated[InstanceOf[Secret] | None, parsed_by(_postgresql)] = None
    """The PostgreSQL of an agent's conversations, which has its revocations, too."""
    conversations_url_file: SecretInFile | None = None
    """A file with `CONVERSATIONS_URL`, in its place."""


class ApprovalKeys(VariableGroup):
    """The key of approvals that are stored (`approvals=` of an `Identity`)."""

    heading = "Approvals"

    conversations_key_file: ConversationKeysFile | None = Field(None, repr=False)
    """A file with the key that encrypts them at rest, in the form of the agent's for conversations
    (`docs/conversations.md`). Read at start. Without it they are stored in clear."""


class LibraryVariables(RevocationPlaces, ApprovalKeys, ApprovalVariables, IdentityVariables):
    """The variables that the library reads."""


class LibrarySettings(LibraryVariables, IdentitySettings):
    """The variables, and the SDK configuration that one of them names."""


def read_library_settings(
    environment: Mapping[str, str], *, clock: Callable[[], float] = time.time
) -> LibrarySettings:
    """The settings of `environment`. Raises `ConfigurationError` with every fault at once."""
    kinds = LibraryVariables, LibrarySettings
    return read_identity_settings(environment, *kinds, clock=clock, in_files=("conversations_url",))


def given_environment(
    environment: Mapping[str, str] | None, env_file: str | Path | None
) -> Mapping[str, str]:
    """`environment` alone; else that of the process, and the variables of a file that it lacks.

    Raises `ConfigurationError` if the file cannot be read.
    """
    if environment is not None:
        return environment
    process = dict(os.environ)  # noqa: TID251 - `Identity.from_env` is asked to
    if env_file is None:
        return process
    try:
        return with_env_file(process, read_env_file(Path(env_file)))
    except ValueError as error:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, [f'file "{env_file}" {error}']) from None
