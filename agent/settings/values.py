"""Validators of variables that several groups of settings share."""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from identity.idaas.metadata_service import METADATA_ENDPOINT
from identity.secret import Secret
from identity.transport.secure_url import is_secure_url

_PLATFORM: Final = urlsplit(METADATA_ENDPOINT).hostname
_STS_SECONDS: Final = 10.0


def local_url(value: str) -> str:
    """Plain http is allowed to the platform's own address and to this machine, and nowhere else."""
    parts = urlsplit(value)
    platform = value.isascii() and parts.scheme == "http" and parts.netloc == _PLATFORM
    if parts.fragment or not (platform or is_secure_url(value)):
        detail = f"must be https, or http to {_PLATFORM} or a loopback address"
        raise ValueError(detail)
    return value


def holds(check: Callable[[], bool]) -> bool:
    """`check()`, or false if the path is not usable, such as a name that is too long."""
    try:
        return check()
    except OSError:
        return False


def existing_file(value: Path) -> Path:
    """A path that leads to a file now."""
    if not holds(value.is_file):
        raise ValueError("must name a file, and there is none")
    return value


def _secret(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be ASCII without spaces")
    return Secret(value)


secret_value: Final = BeforeValidator(_secret)
"""Turns a text into a `Secret`."""

TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
"""The texts that pydantic reads as true."""
