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
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeAlias

import httpx
from httpx_sse import EventSource, SSEError
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from pydantic import BaseModel, ValidationError

from identity.secret import Secret
from identity.transport.client import AnswerTooLargeError, EncodedAnswerError, limited

MCPAnswer: TypeAlias = JSONRPCResponse | JSONRPCError

_PARTING_SECONDS = 2.0
"""For what is said to a server when nobody waits for it."""
_NOT_ARRIVED = (httpx.HTTPError, TimeoutError, RuntimeError)
"""The last of them: the client itself is closed."""

_SESSION_ID = re.compile(r"[\x21-\x7e]{1,1024}")
"""By the protocol visible ASCII: it is sent back in a header."""


class MCPFailure(Exception):  # noqa: N818 - the service makes the error of it
    """The server did not answer a request. `status` is the HTTP status, if there was one."""

    def __init__(self, detail: str = "", status: int | None = None) -> None:
        self.detail = detail or f"status {status}"
        self.status = status
        super().__init__(self.detail)


class MCPTransport:
    """One session's requests to `url`, all with one credential; `seconds` and `max_bytes` bound each."""

    def __init__(
        self, http: httpx.AsyncClient, url: str, secret: Secret, *, seconds: float, max_bytes: int
    ) -> None:
        self._http = http
        self._url = url
        self._secret = secret
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._session_id: str | None = None
        self._protocol_version: str | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def ask(self, request: JSONRPCRequest) -> MCPAnswer:
        """The server's answer to `request`. Raises `MCPFailure`, which never has the server's text."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._answer(request)
        except (AnswerTooLargeError, EncodedAnswerError) as error:
            detail = str(error)
        except asyncio.CancelledError:
            self._withdraw(request)
            raise
        except TimeoutError:
            self._withdraw(request)
            detail = f"no answer within {self._seconds:g} s"
        except httpx.TimeoutException:
            detail = "no answer in time"
        except httpx.HTTPError:
            detail = "the connection failed"
        except (ValidationError, SSEError, ValueError):
            detail = "the answer is not of the MCP protocol"
        raise MCPFailure(detail)

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
                    await self._http.delete(self._url, headers=self._headers())

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
        return self._http.stream("POST", self._url, content=content, headers=self._headers())

    async def _answer(self, request: JSONRPCRequest) -> MCPAnswer:
        async with self._post(request) as response:
            if not 200 <= response.status_code < 300:
                raise MCPFailure(status=response.status_code)
            if self._protocol_version is None:
                self._session_id = _session_id(response.headers)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            limited(response, self._max_bytes)
            if kind == "application/json":
                await response.aread()
                if answer := await self._answer_in(response.text, request):
                    return answer
            elif kind == "text/event-stream":
                async for event in EventSource(response).aiter_sse():
                    if event.event == "message" and event.data:  # noqa: SIM102 - the second is an action
                        if answer := await self._answer_in(event.data, request):
                            return answer
        raise MCPFailure("the answer broke off or is of an unexpected kind")

    async def _answer_in(self, data: str, request: JSONRPCRequest) -> MCPAnswer | None:
        """The answer to `request`, if that is what `data` is. Of all other messages, pings are answered."""
        message = JSONRPCMessage.model_validate_json(data).root
        if isinstance(message, JSONRPCRequest) and message.method == "ping":
            await self.tell(JSONRPCResponse(jsonrpc="2.0", id=message.id, result={}))
        if not isinstance(message, JSONRPCResponse | JSONRPCError) or message.id != request.id:
            return None
        if isinstance(message, JSONRPCResponse) and self._protocol_version is None:
            self._protocol_version = str(message.result.get("protocolVersion", ""))
        return message

    def _headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self._secret.reveal()}",
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
