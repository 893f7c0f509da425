"""Takes the role credential out of the headers that Function Compute adds to each request.

Stands inside of authentication: only the headers of a request whose access token was verified are taken. They
are removed, so that nothing further inside can log or forward them.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from agent.http.authentication import CALLER
from identity.idaas.client_authentication.role_credential import ROLE_HEADERS, RequestHeaderRole

_NAMES = {name.encode("ascii"): name for name in ROLE_HEADERS}


def role_headers(app: ASGIApp, *, role: RequestHeaderRole) -> ASGIApp:
    """ASGI middleware, which passes every request on without the headers. `role` receives the credential."""

    async def without_headers(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = take_role_headers(scope, role, verified=CALLER in scope)
        await app(scope, receive, send)

    return without_headers


def take_role_headers(scope: Scope, role: RequestHeaderRole, *, verified: bool) -> Scope:
    """The scope without the role credential's headers; `role` receives them if the caller is `verified`.

    The scope itself is changed: nothing further outside needs them, and it sees what the router adds.
    """
    members = {_NAMES[name]: value.decode("latin-1") for name, value in scope["headers"] if name in _NAMES}
    if not members:
        return scope
    if verified:
        role.take(members)
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in _NAMES]
    return scope
