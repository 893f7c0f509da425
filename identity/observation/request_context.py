"""The request that is being served, for log lines, audit events and spans: its id and its caller.

The caller is named by a hash by default, without the name.
"""

import hashlib
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, Final, Literal, TypeAlias

from identity.observation.attribute import Attribute
from identity.observation.span import CURRENT_SPAN
from identity.principal import Principal

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("idaas_agent.request_id", default=None)
"""The id of the request: in its response, its log lines and its audit events."""
USER: Final[ContextVar[str | None]] = ContextVar("idaas_agent.user", default=None)
"""The caller of the request, named by `user_label`; `None` before authentication."""
DEVICE: Final[ContextVar[str | None]] = ContextVar("idaas_agent.device", default=None)
"""The `User-Agent` of the request, cut and printable: for the person who sent it alone."""
Language: TypeAlias = Literal["en", "zh"]
LANGUAGE: Final[ContextVar[Language]] = ContextVar("idaas_agent.language", default="en")
"""The language of the titles in the response, which its reader prefers (`Accept-Language`)."""


_CARRIED: Final[tuple[ContextVar[Any], ...]] = (REQUEST_ID, USER, DEVICE, CURRENT_SPAN)


def carried_context() -> Context:
    """A context for the request's work in a task of its own: the request's id, its caller, its device and its
    span, and nothing else of the current context.
    """
    context = Context()
    for variable in _CARRIED:
        context.run(variable.set, variable.get())
    return context


UserLabel: TypeAlias = Literal["hash", "id", "none"]
"""How the caller is named in log lines and spans."""


def user_hash(principal: Principal) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of issuer, NUL and subject.

    Equal in every process, without a key: a conversation's owner in the database begins with it. It is a
    pseudonym. A reader who knows the issuer and all subjects can compute whose it is.
    """
    text = f"{principal.issuer}\0{principal.subject}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def user_attribute(label: UserLabel) -> Attribute:
    """The attribute of spans that names the caller as `label` requires."""
    return Attribute.USER_ID if label == "id" else Attribute.USER_HASH


def user_label(label: UserLabel) -> Callable[[Principal], str | None]:
    """The function that names a principal as `label` requires."""
    match label:
        case "hash":
            return user_hash
        case "id":
            return lambda principal: principal.subject
        case "none":
            return lambda _: None
