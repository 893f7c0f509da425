"""The streamable HTTP transport of MCP, in which a failed request affects no other request.

The official client's transport ends the whole session, with all calls in flight, on one 401 or 500. It waits
without a limit for a response whose stream was cut off, and it opens a listening stream, which an agent that
accepts no requests from servers does not need. Here each request is one POST with exactly one outcome: the
server's response, or `MCPRequestError`. If the caller stops waiting, the connection is closed and the server
is notified, because in MCP a closed connection does not cancel a request.
https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
"""

import asyncio
import contextvars
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import httpx
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from pydantic import BaseModel

from identity.credentials.placement import BEARER, Placement
from identity.credentials.signed_request import SignedRequest
from identity.observation.attribute import Attribute
from identity.observation.metrics import error_type
from identity.observation.traceparent import Receiver
from identity.secrets.secret import Secret
from identity.transport.body import (
    EncodedResponseError,
    ResponseTooLargeError,
    decode_utf8,
    limit_body,
    media_type,
)
from identity.transport.client_span import client_span, responded
from identity.transport.json_size import read_json
from identity.transport.server_sent_events import events
from tools.mcp_service.errors import MCPRequestError

MCPResponse: TypeAlias = JSONRPCResponse | JSONRPCError

_CLOSE_TIMEOUT: Final = 2.0
"""Seconds for messages that have no caller: cancellations and the end of the session."""
_MAX_PINGS: Final = 10
"""How many pings of the server receive a response during one request."""
_UNDELIVERED: Final = (httpx.HTTPError, TimeoutError, RuntimeError, MCPRequestError)
"""Why a message did not arrive. `RuntimeError`: the HTTP client is closed."""
_SESSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1024}")
"""Visible ASCII, as the protocol requires, because it is sent in a header."""


class MCPTransport:
    """The requests of one session to `url`, all with one credential.

    `seconds` bounds each request, and `max_bytes` each response.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        secret: Secret,
        *,
        seconds: float,
        max_bytes: int,
        placement: Placement | SignedRequest = BEARER,
    ) -> None:
        self._http = http
        self._url = url
        self._secret = secret
        self._placement = placement
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._session_id: str | None = None
        self._protocol_version: str | None = None
        self._cancellations: set[asyncio.Task[None]] = set()

    @property
    def has_session_id(self) -> bool:
        """Whether the server keeps state for this session, which it may lose."""
        return self._session_id is not None

    @property
    def protocol_version(self) -> str | None:
        """That of the session, once it is open."""
        return self._protocol_version

    async def send(self, request: JSONRPCRequest) -> MCPResponse:
        """The response to `request`. Raises `MCPRequestError`, which never contains the server's text."""
        timed_out = False
        try:
            async with asyncio.timeout(self._seconds):
                return await self._response_to(request)
        except (ResponseTooLargeError, EncodedResponseError) as error:
            detail = str(error)
        except asyncio.CancelledError:
            self._cancel_at_server(request)
            raise
        except TimeoutError:
            self._cancel_at_server(request)
            detail, timed_out = f"no response within {self._seconds:g} s", True
        except httpx.TimeoutException:
            detail, timed_out = "no response within the timeout of the connection", True
        except httpx.HTTPError:
            detail = "the connection failed"
        except ValueError:
            detail = "the response does not follow the MCP protocol"
        raise MCPRequestError(detail, timed_out=timed_out)

    async def notify(self, message: JSONRPCNotification | JSONRPCResponse) -> None:
        """Sends a message that has no response. Not checked: whether it arrived."""
        with suppress(*_UNDELIVERED):
            async with asyncio.timeout(self._seconds), self._post(message):
                return

    async def end_session(self) -> None:
        """Waits for pending cancellations and ends the session at the server, for two seconds at most."""
        with suppress(*_UNDELIVERED):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await asyncio.gather(*self._cancellations)
                if self._session_id is not None:
                    async with self._request("DELETE"):
                        return  # the body is not read: it may be endless

    def _cancel_at_server(self, request: JSONRPCRequest) -> None:
        """Notifies the server that the request is cancelled. MCP forbids this for `initialize`."""
        if request.method == "initialize":
            return
        params = {"requestId": request.id, "reason": "the caller no longer waits for the response"}
        message = JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params)
        task = asyncio.create_task(self._notify_later(message), context=contextvars.Context())
        self._cancellations.add(task)
        task.add_done_callback(self._cancellations.discard)

    async def _notify_later(self, message: JSONRPCNotification) -> None:
        """A server that hangs must not occupy a connection for each cancelled call."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self.notify(message)

    def _post(self, message: BaseModel) -> AbstractAsyncContextManager[httpx.Response]:
        content = message.model_dump_json(by_alias=True, exclude_none=True)
        return self._request("POST", content, getattr(message, "method", None))

    @asynccontextmanager
    async def _request(
        self, method: str, content: str | None = None, mcp_method: str | None = None
    ) -> AsyncIterator[httpx.Response]:
        request = self._http.build_request(method, self._url, content=content, headers=self._headers())
        try:
            self._placement.attach(request, self._secret)
        except ValueError as error:
            raise MCPRequestError(str(error)) from None
        span = client_span(request, Receiver.MCP)
        span.set(Attribute.MCP_METHOD, mcp_method)
        try:
            response = await self._http.send(request, stream=True)
            responded(span, response.status_code)
            try:
                yield response
            finally:
                await response.aclose()
        except BaseException as error:
            span.fail(error_type(error))
            raise
        finally:
            span.end()

    async def _response_to(self, request: JSONRPCRequest) -> MCPResponse:
        async with self._post(request) as response:
            if not 200 <= response.status_code < 300:
                raise MCPRequestError(status=response.status_code)
            if self._protocol_version is None:
                self._session_id = _session_id(response.headers)
            kind = media_type(response.headers.get("content-type"))
            limit_body(response, self._max_bytes)
            if kind == "application/json":
                body = decode_utf8(await response.aread())
                if found := _find_response(read_json(body), request):
                    return self._with_version(found)
            elif kind == "text/event-stream":
                pings = 0
                async for event in events(response.aiter_bytes(), self._max_bytes):
                    message = read_json(event.data) if event.kind == "message" and event.data else None
                    if found := _find_response(message, request):
                        return self._with_version(found)
                    if (pong := _pong(message)) is not None and pings < _MAX_PINGS:
                        pings += 1
                        await self.notify(pong)
        raise MCPRequestError("the response was cut off or has an unexpected media type")

    def _with_version(self, response: MCPResponse) -> MCPResponse:
        """`response`. Remembers the protocol version, which the first one contains."""
        if isinstance(response, JSONRPCResponse) and self._protocol_version is None:
            self._protocol_version = str(response.result.get("protocolVersion", ""))
        return response

    def _headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        if self._session_id:
            headers["Mcp-Session-Id"] = self._session_id
        if self._protocol_version:
            headers["MCP-Protocol-Version"] = self._protocol_version
        return headers


def _session_id(headers: httpx.Headers) -> str | None:
    """The session id that the server assigns, if any. Raises `MCPRequestError`."""
    session_id: str | None = headers.get("mcp-session-id")
    if session_id and not _SESSION_ID.fullmatch(session_id):
        raise MCPRequestError("the session id is not visible ASCII of at most 1024 characters")
    return session_id


def _find_response(message: Any, request: JSONRPCRequest) -> MCPResponse | None:  # noqa: ANN401 - any JSON value
    """`message`, if it is the response to `request`. Raises `ValueError` if it is malformed.

    The SDK's type for any message would try four types, and copy the whole message for each.
    """
    if not isinstance(message, dict):
        return None
    number = message.get("id")
    if "method" in message or type(number) is not type(request.id) or number != request.id:
        return None
    kind = JSONRPCError if "error" in message else JSONRPCResponse
    return kind.model_validate(message)


def _pong(message: Any) -> JSONRPCResponse | None:  # noqa: ANN401 - any JSON value
    """The response to `message`, if it is a ping."""
    if not isinstance(message, dict) or message.get("method") != "ping":
        return None
    try:
        return JSONRPCResponse(jsonrpc="2.0", id=message.get("id"), result={})
    except ValueError:
        return None
