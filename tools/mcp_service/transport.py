"""MCP's streamable HTTP transport, made so that a failed request fails alone.

The official client's transport ends the whole session, with every call in flight, on one 401 or 500; it waits
for ever for an answer whose stream broke off, and opens a listening stream, for which an agent that takes no
requests from servers has no use. Here each request is one POST with exactly one outcome: the server's answer,
or `MCPFailure`. A request that nobody waits for any more ends with whoever asked: its connection is closed,
and the server is told, because by the protocol a closed connection does not say so.
https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
"""

import asyncio
import contextvars
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeAlias

import httpx
from mcp.types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from pydantic import BaseModel

from identity.credentials.placement import BEARER, Placement
from identity.secret import Secret
from identity.transport.body import EncodedResponseError, ResponseTooLargeError, decode_utf8, limit_body
from identity.transport.json_size import read_json
from identity.transport.media_type import media_type
from identity.transport.server_sent_events import events

MCPAnswer: TypeAlias = JSONRPCResponse | JSONRPCError

_PARTING_SECONDS = 2.0
"""For what is said to a server when nobody waits for it."""
_MOST_PINGS = 10
"""Of a server, answered while one request is under way."""
_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")
"""By the protocol visible ASCII: it is sent back in a header."""


class MCPFailure(Exception):  # noqa: N818 - the service makes the error of it
    """The server did not answer a request. `status` is the HTTP status, if there was one.

    `late` is true if the server took all the time that it was given.
    """

    def __init__(self, detail: str = "", status: int | None = None, *, late: bool = False) -> None:
        self.detail = detail or f"status {status}"
        self.status = status
        self.late = late
        super().__init__(self.detail)

    @property
    def refuses_the_key(self) -> bool:
        """Whether it is the credential that the server does not accept."""
        return self.status in (401, 403)


class MCPCallFailure(MCPFailure):
    """The same of one call, which says nothing of the session."""


_NOT_ARRIVED = (httpx.HTTPError, TimeoutError, RuntimeError, MCPFailure)
"""The last of them: the client itself is closed."""


class MCPTransport:
    """One session's requests to `url`, all with one credential; `seconds` and `max_bytes` bound each."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        secret: Secret,
        *,
        seconds: float,
        max_bytes: int,
        placement: Placement = BEARER,
    ) -> None:
        self._http = http
        self._url = url
        self._secret = secret
        self._placement = placement
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._session_id: str | None = None
        self._protocol_version: str | None = None
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def has_session(self) -> bool:
        """Whether the server keeps something for this session that it could forget."""
        return self._session_id is not None

    async def ask(self, request: JSONRPCRequest) -> MCPAnswer:
        """The server's answer to `request`. Raises `MCPFailure`, which never has the server's text."""
        late = False
        try:
            async with asyncio.timeout(self._seconds):
                return await self._answer(request)
        except (ResponseTooLargeError, EncodedResponseError) as error:
            detail = str(error)
        except asyncio.CancelledError:
            self._withdraw(request)
            raise
        except TimeoutError:
            self._withdraw(request)
            detail, late = f"no answer within {self._seconds:g} s", True
        except httpx.TimeoutException:
            detail, late = "no answer in time", True
        except httpx.HTTPError:
            detail = "the connection failed"
        except ValueError:
            detail = "the answer is not of the MCP protocol"
        raise MCPFailure(detail, late=late)

    async def tell(self, message: JSONRPCNotification | JSONRPCResponse) -> None:
        """Sends what has no answer. Whether it arrived is nobody's concern: the next request will show it."""
        with suppress(*_NOT_ARRIVED):
            async with asyncio.timeout(self._seconds), self._post(message):
                return

    async def end(self) -> None:
        """Says what is still to be said, and ends the session at the server, as far as it answers."""
        with suppress(*_NOT_ARRIVED):
            async with asyncio.timeout(_PARTING_SECONDS):
                await asyncio.gather(*self._telling)
                if self._session_id is not None:
                    async with self._sent("DELETE"):
                        return  # nothing is read: it may be without end

    def _withdraw(self, request: JSONRPCRequest) -> None:
        """Nobody waits for the answer any more. (An `initialize` may not be withdrawn.)"""
        if request.method == "initialize":
            return
        params = {"requestId": request.id, "reason": "nobody waits for the answer any more"}
        message = JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params)
        task = asyncio.create_task(self._tell_soon(message), context=contextvars.Context())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_soon(self, message: JSONRPCNotification) -> None:
        """A server that hangs must not keep a connection for each caller who has left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING_SECONDS):
                await self.tell(message)

    def _post(self, message: BaseModel) -> AbstractAsyncContextManager[httpx.Response]:
        content = message.model_dump_json(by_alias=True, exclude_none=True)
        return self._sent("POST", content)

    @asynccontextmanager
    async def _sent(self, method: str, content: str | None = None) -> AsyncIterator[httpx.Response]:
        request = self._http.build_request(method, self._url, content=content, headers=self._headers())
        try:
            self._placement.attach(request, self._secret)
        except ValueError as error:
            raise MCPFailure(str(error)) from None
        response = await self._http.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def _answer(self, request: JSONRPCRequest) -> MCPAnswer:
        async with self._post(request) as response:
            if not 200 <= response.status_code < 300:
                raise MCPFailure(status=response.status_code)
            if self._protocol_version is None:
                self._session_id = _session_id(response.headers)
            kind = media_type(response.headers.get("content-type"))
            limit_body(response, self._max_bytes)
            if kind == "application/json":
                if answer := _answer_in(read_json(decode_utf8(await response.aread())), request):
                    return self._noted(answer)
            elif kind == "text/event-stream":
                pings = 0
                async for event in events(response.aiter_bytes(), self._max_bytes):
                    message = read_json(event.data) if event.kind == "message" and event.data else None
                    if answer := _answer_in(message, request):
                        return self._noted(answer)
                    if (ping := _ping_in(message)) is not None and pings < _MOST_PINGS:
                        pings += 1
                        await self.tell(ping)
        raise MCPFailure("the answer broke off or is of an unexpected kind")

    def _noted(self, answer: MCPAnswer) -> MCPAnswer:
        """`answer`; the first one says which version of the protocol is spoken."""
        if isinstance(answer, JSONRPCResponse) and self._protocol_version is None:
            self._protocol_version = str(answer.result.get("protocolVersion", ""))
        return answer

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
    """The session that the server names, if it names one. Raises `MCPFailure`."""
    session_id: str | None = headers.get("mcp-session-id")
    if session_id and not _SESSION_ID.fullmatch(session_id):
        raise MCPFailure("the session id is not of the MCP protocol")
    return session_id


def _answer_in(message: Any, request: JSONRPCRequest) -> MCPAnswer | None:  # noqa: ANN401 - any JSON value
    """The answer to `request`, if that is what `message` is. Raises `ValueError` if it is a malformed one.

    The library's own type for any message would try four kinds, and copy the whole of it for each.
    """
    if not isinstance(message, dict):
        return None
    number = message.get("id")
    if "method" in message or type(number) is not type(request.id) or number != request.id:
        return None
    kind = JSONRPCError if "error" in message else JSONRPCResponse
    return kind.model_validate(message)


def _ping_in(message: Any) -> JSONRPCResponse | None:  # noqa: ANN401 - any JSON value
    """What is to be answered to `message`, if it is a ping."""
    if not isinstance(message, dict) or message.get("method") != "ping":
        return None
    try:
        return JSONRPCResponse(jsonrpc="2.0", id=message.get("id"), result={})
    except ValueError:
        return None
