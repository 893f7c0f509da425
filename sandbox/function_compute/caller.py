"""The caller of a function, by the claims of the token: read from the headers that the trigger sets."""

import json
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers

from sandbox.function_compute.jwt_authentication import ClaimPassBy

_PREFIX = "x-jwt-"
PASSED_CLAIMS = ("iss", "sub", "aud", "scope", "client_id", "azp", "act")


def claims_for_functions() -> tuple[ClaimPassBy, ...]:
    """The trigger's `claimPassBy`: each claim as the header `x-jwt-<claim>`."""
    return tuple(ClaimPassBy("header", claim, _header(claim)) for claim in PASSED_CLAIMS)


@dataclass(frozen=True, slots=True)
class Caller:
    """`client` is the application, if the token names it; `actor` comes from an `act` claim, if any."""

    subject: str
    audiences: tuple[str, ...]
    permissions: tuple[str, ...]
    client: str | None
    actor: str | None
    access_identity: Literal["Machine", "Human"]


def read_caller(headers: Headers, agents: Set[str]) -> Caller:
    """The caller that the trigger has verified. Machine if the subject is one of `agents`, else Human.

    A machine token's `sub` is the client id, or `<client id>:<subject urn>`; no other sign is documented.
    """
    subject = headers.get(_header("sub"), "")
    first = subject.partition(":")[0]
    machine = first in agents
    return Caller(
        subject=subject,
        audiences=_words(headers.get(_header("aud"), ""), separator=None),
        permissions=_words(headers.get(_header("scope"), ""), separator=" "),
        client=headers.get(_header("client_id"))
        or headers.get(_header("azp"))
        or (first if machine else None),
        actor=_actor(headers.get(_header("act"))),
        access_identity="Machine" if machine else "Human",
    )


def _header(claim: str) -> str:
    return _PREFIX + claim.replace("_", "-")


def _words(text: str, separator: str | None) -> tuple[str, ...]:
    """A claim that is a string (cut at `separator`, if any) or an array of strings."""
    if text.startswith("["):
        try:
            return tuple(str(item) for item in json.loads(text))
        except ValueError:
            return ()
    return tuple(text.split(separator)) if separator else ((text,) if text else ())


def _actor(text: str | None) -> str | None:
    try:
        actor = json.loads(text) if text else None
    except ValueError:
        return None
    return str(actor["sub"]) if isinstance(actor, dict) and "sub" in actor else None
