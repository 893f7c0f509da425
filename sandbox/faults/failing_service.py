"""The ASGI middleware that makes a service fail as its fault says, also within the body of a response."""

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults.faults import Fault

if TYPE_CHECKING:
    from sandbox.state.cloud import Cloud

DROP_EXTENSION = "sandbox.drop"
"""The key in the scope's `extensions` under which the server offers to cut the connection."""

_SIGN_IN_PAGE = """<!DOCTYPE html>
<html><head><title>Sign in to the network</title></head>
<body><form method="post"><input name="user"><input type="submit"></form></body></html>
"""

ServiceName = str | Callable[[Scope], str | None]
ErrorBody = Callable[[int], object]


def _error_body(status: int) -> object:
    """The common shape of IDaaS and its Developer API."""
    error = "too_many_requests" if status == 429 else "server_error"
    return {"error": error, "error_description": f"injected fault, status {status}", "request_id": "sandbox"}


def observed(
    app: ASGIApp, cloud: "Cloud", service: ServiceName, *, error_body: ErrorBody = _error_body
) -> ASGIApp:
    """Wraps `app` so that faults set for `service` take effect; other messages pass through.

    `service` may be a function of the ASGI scope, for an application that is several services; it answers
    None for requests that no fault shall touch. `error_body` makes the JSON of a `status` fault. The
    service counts its operations itself, by `cloud.counters.count(service, operation)`.
    """

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        name = service if isinstance(service, str) else service(scope)
        fault = cloud.faults.take(name) if name else None
        if name is None or fault is None:
            await app(scope, receive, send)
            return
        cloud.counters.count(name, "fault")
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.hang:
            await _until_client_leaves(receive)
        elif fault.drop:
            _drop(scope)
        elif fault.status is not None:
            await _refuse(send, fault, error_body(fault.status))
        elif fault.redirect is not None:
            await RedirectResponse(fault.redirect)(scope, receive, send)
        elif fault.web_page:
            await HTMLResponse(_SIGN_IN_PAGE)(scope, receive, send)
        else:
            await app(scope, receive, _tampering(scope, send, fault))

    return middleware


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _drop(scope: Scope) -> None:
    connection = _connection(scope)
    if connection is None:
        raise ConnectionResetError("injected fault: connection dropped")
    connection["abort"]()


def _connection(scope: Scope) -> dict[str, Any] | None:
    found: dict[str, Any] | None = scope.get("extensions", {}).get(DROP_EXTENSION)
    return found


async def _refuse(send: Send, fault: Fault, body: object) -> None:
    headers = [(b"content-type", b"application/json")]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    content = json.dumps(body).encode()
    headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _tampering(scope: Scope, send: Send, fault: Fault) -> Send:
    if fault.broken_body:
        return halved(send)
    if fault.cut_body and (connection := _connection(scope)) is not None:
        return halved(send, connection["close"])
    if fault.drip:
        return dripping(send, fault.drip)
    return flooding(send, fault.flood) if fault.flood else send


_PIECE = 65_536


def halved(send: Send, close: Callable[[], None] | None = None) -> Send:
    """Half of the first piece of the body, then the end of the connection.

    Without `close` the response ends well: with a body, or an event, that is no JSON.
    """
    ended, end = False, b""

    async def halve(message: Message) -> None:
        nonlocal ended, end
        body = message.get("body", b"")
        if message["type"] == "http.response.start":
            is_stream = any(v.startswith(b"text/event-stream") for _, v in message["headers"])
            end = b"\n\n" if is_stream and close is None else b""
            await send(message if close else _without_length(message))
        elif not ended and (body or not message.get("more_body", False)):
            ended = True
            half = body[: len(body) // 2] + end
            await send({"type": "http.response.body", "body": half, "more_body": bool(close and body)})
            if close and body:
                close()

    return halve


def dripping(send: Send, seconds: float) -> Send:
    """Sends the body byte by byte, with `seconds` before each."""

    async def drip(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(_without_length(message))
            return
        for byte in message.get("body", b""):
            await asyncio.sleep(seconds)
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        if not message.get("more_body", False):
            await send({"type": "http.response.body", "body": b""})

    return drip


def flooding(send: Send, size: int) -> Send:
    """Sends `size` blanks after the body: still JSON, if it was JSON before."""

    async def flood(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(_without_length(message))
            return
        if message.get("more_body", False):
            await send(message)
            return
        await send({**message, "more_body": True})
        left = size
        while left > 0:
            piece = min(left, _PIECE)
            await send({"type": "http.response.body", "body": b" " * piece, "more_body": True})
            left -= piece
        await send({"type": "http.response.body", "body": b""})

    return flood


def _without_length(message: Message) -> Message:
    headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
    return {**message, "headers": headers}
