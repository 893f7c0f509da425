"""The access token of a request to LangGraph Server: in `Authorization`, or in `X-Api-Key`.

LangGraph's front ends (agent-chat-ui, Agent Inbox, the SDKs' `apiKey`) can send no other header than
`X-Api-Key`. There it contains the access token itself, without a scheme.
"""

from collections.abc import Iterable
from typing import Final

from starlette.types import Scope

_AUTHORIZATION: Final = b"authorization"
_API_KEY: Final = b"x-api-key"

_WITHHELD: Final = frozenset(
    {_AUTHORIZATION, _API_KEY, b"x-service-key", b"x-tenant-id", b"langsmith-trace", b"baggage", b"origin"}
)
"""The server copies some of these into the configuration of a run, which it stores; `baggage` can name a
project of LangSmith. `Origin` has been answered (`cross_origin`)."""


def presented_tokens(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The tokens of one request, each as a value of `Authorization`.

    Not checked: that there is one. `Admission.admit` refuses several, also one in each header (RFC 6750,
    section 2).
    """
    tokens = []
    for name, value in headers:
        text = value.decode("latin-1")
        if name == _AUTHORIZATION:
            tokens.append(text)
        elif name == _API_KEY:
            tokens.append(f"Bearer {text}")
    return tokens


def without_tokens(scope: Scope) -> Scope:
    """The scope for the server: without the token, and without headers that would reach a run."""
    return {**scope, "headers": [header for header in scope["headers"] if header[0] not in _WITHHELD]}
