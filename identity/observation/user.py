"""How log lines and spans name the caller: by default by a hash, without the name."""

import hashlib
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from typing import Final

from identity.observation.attribute import Attribute
from identity.principal import Principal

USER: Final[ContextVar[str | None]] = ContextVar("idaas_agent.user", default=None)
"""The caller of the request that is being served, named by `user_label`; `None` before authentication."""


class UserLabel(StrEnum):
    """How the caller is named in log lines and spans."""

    HASH = "hash"
    ID = "id"
    NONE = "none"


def user_hash(principal: Principal) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of issuer, NUL and subject.

    Equal in every process, without a key: a conversation's owner in the database begins with it. It is a
    pseudonym. A reader who knows the issuer and all subjects can compute whose it is.
    """
    text = f"{principal.issuer}\0{principal.subject}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def user_attribute(label: UserLabel) -> Attribute:
    """The attribute of spans that names the caller as `label` requires."""
    return Attribute.USER_ID if label is UserLabel.ID else Attribute.USER_HASH


def user_label(label: UserLabel) -> Callable[[Principal], str | None]:
    """The function that names a principal as `label` requires."""
    match label:
        case UserLabel.HASH:
            return user_hash
        case UserLabel.ID:
            return lambda principal: principal.subject
        case UserLabel.NONE:
            return lambda _: None
