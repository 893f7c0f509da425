"""Failures on demand: what is wrong with a service, and the ASGI middleware that makes it so."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.tampered_bodies import dripping, flooding

if TYPE_CHECKING:
    from sandbox.cloud import Cloud

DROP_EXTENSION = "sandbox.drop"
"""The key in the scope's `extensions` under which the server offers to cut the connection."""


SERVICES = (
    "idaas.token",
    "idaas.jwks",
    "idaas.discovery",
    "idaas.authorize",
    "developer_api",
    "model_studio",
    "model_studio.stream",
    "amap",
    "function_compute",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong. Members combine: wait `latency`, then the first that is set of the others.

    `hang` never answers; `drop` cuts the connection without an answer; `status` answers with that status
    (and `Retry-After: retry_after`, if given) without reaching the service; `redirect` answers 307 with that
    `Location`; `broken_body` lets the service answer and cuts the first piece of the body in half; `drip`
    sends its body byte by byte, so many seconds apart; `flood` sends so many bytes more than the body has.
    `times` limits the fault to that many requests. Times are in seconds.
    """

    status: int | None = None
    latency: float = 0.0
    hang: bool = False
    drop: bool = False
    redirect: str | None = None
    broken_body: bool = False
    drip: float = 0.0
    flood: int = 0
    retry_after: int | str | None = None
    times: int | None = None


class Faults:
    """The faults in force, one at most for each service name. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: dict[str, Fault] = {}

    def set(self, service: str, fault: Fault) -> None:
        """From now on `service` has this fault, instead of any other. Raises KeyError if it is unknown."""
        if service not in SERVICES:
            raise KeyError(service)
        with self._lock:
            self._faults[service] = fault

    def clear(self, service: str | None = None) -> None:
        """Mends `service`, or everything."""
        with self._lock:
            if service is None:
                self._faults.clear()
            else:
                self._faults.pop(service, None)

    def snapshot(self) -> dict[str, Fault]:
        """A copy of what is in force; `times` is what remains."""
        with self._lock:
            return dict(self._faults)

    def take(self, service: str) -> Fault | None:
        """The fault for the request that just arrived; uses up one of its `times`."""
        with self._lock:
            fault = self._faults.get(service)
            if fault is None or fault.times is None:
                return fault
            if fault.times <= 1:
                del self._faults[service]
            else:
                self._faults[service] = replace(fault, times=fault.times - 1)
            return fault if fault.times > 0 else None


ServiceName = str | Callable[[Scope], str | None]
ErrorBody = Callable[[int], object]


def _error_body(status: int) -> object:
    """The common shape of IDaaS and its Developer API."""
    error = "too_many_requests" if status == 429 else "server_error"
    return {"error": error, "error_description": f"injected fault, status {status}", "request_id": "sandbox"}


def observed(
    app: ASGIApp, cloud: "Cloud", service: ServiceName, *, error_body: ErrorBody = _error_body
) -> ASGIApp:
    """Wraps `app` so that faults set for `service` take effect; also lifespan messages pass through.

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
        else:
            await app(scope, receive, _tampering(send, fault))

    return middleware


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _drop(scope: Scope) -> None:
    drop = scope.get("extensions", {}).get(DROP_EXTENSION)
    if drop is None:
        raise ConnectionResetError("injected fault: connection dropped")
    drop["abort"]()


async def _refuse(send: Send, fault: Fault, body: object) -> None:
    headers = [(b"content-type", b"application/json")]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    content = json.dumps(body).encode()
    headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _tampering(send: Send, fault: Fault) -> Send:
    if fault.broken_body:
        return _half(send)
    if fault.drip:
        return dripping(send, fault.drip)
    return flooding(send, fault.flood) if fault.flood else send


def _half(send: Send) -> Send:
    """Passes on the status, and half of the first piece of the body; what follows is swallowed."""
    ended = False

    async def halved(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            headers = [(k, v) for k, v in message["headers"] if k.lower() != b"content-length"]
            await send({**message, "headers": headers})
        elif message["type"] == "http.response.body" and not ended:
            body = message.get("body", b"")
            if body or not message.get("more_body", False):
                ended = True
                await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": False})

    return halved
