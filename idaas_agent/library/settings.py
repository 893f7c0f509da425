"""The variables of an application that uses the library: those of identity, and no model's or server's."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from graph.approvals.variables import ApprovalVariables
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.settings.env_file import read_env_file, with_env_file
from identity.settings.settings import IdentitySettings, IdentityVariables, read_identity_settings


class LibraryVariables(ApprovalVariables, IdentityVariables):
    """The variables that the library reads."""


class LibrarySettings(LibraryVariables, IdentitySettings):
    """The variables, and the SDK configuration that one of them names."""


def read_library_settings(
    environment: Mapping[str, str], *, clock: Callable[[], float] = time.time
) -> LibrarySettings:
    """The settings of `environment`. Raises `ConfigurationError` with every fault at once."""
    return read_identity_settings(environment, LibraryVariables, LibrarySettings, clock=clock)


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
