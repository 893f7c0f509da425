"""A file of variables, in place of the process's environment or beside it."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file. Raises `ValueError` with the reason if it cannot be read."""
    if not path.is_file():
        raise ValueError("cannot be read: there is none")
    try:
        values = dotenv_values(path, interpolate=False)
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    return {name: value for name, value in values.items() if value is not None}


def with_env_file(environment: Mapping[str, str], in_file: Mapping[str, str]) -> dict[str, str]:
    """Both; a variable of `environment` that is not empty wins."""
    given = {name: value for name, value in environment.items() if value.strip() or name not in in_file}
    return {**in_file, **given}
