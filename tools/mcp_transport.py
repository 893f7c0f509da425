"""MCP's streamable HTTP transport, made so that a failed request fails alone.

The official client's transport ends the whole session, with every call in flight, on one 401 or 500; it waits
for ever for an answer whose stream broke off, and opens a listening stream, for which an agent that takes no
requests from servers has no use. Here each request is one POST with exactly one outcome: the server's answer,
or a `TransportFailure` in its place. The protocol itself (initialization, versions, identifiers, validation)
is the official `ClientSession`'s, which runs on top.
https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

import anyio
import httpx
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from httpx_sse import EventSource, SSEError
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)
from pydantic import ValidationError

from identity.secret import Secret
from tools.http_client import AnswerTooLargeError, EncodedAnswerError, limited

Incoming: TypeAlias = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing: TypeAlias = MemoryObjectSendStream[SessionMessage]
_ToSession: TypeAlias = MemoryObjectSendStream[SessionMessage | Exception]


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """Why a request has no answer: the HTTP status, if there was one. It is `data` of the JSON-RPC error."""

    detail: str
    status: int | None = None


class _NoAnswerError(Exception):
    def __init__(self, detail: str = "", status: int | None = None) -> None:
        self.failure = TransportFailure(detail or f"status {status}", status)
        super().__init__(self.failure.detail)


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
        self._scopes: dict[RequestId, anyio.CancelScope] = {}

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Incoming, Outgoing]]:
        """The streams for a `ClientSession`. Leaving ends the session at the server, as far as it answers."""
        to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](32)
        outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](32)
        async with anyio.create_task_group() as tasks, to_session, incoming, outgoing, from_session:
            tasks.start_soon(self._pump, tasks, from_session, to_session)
            try:
                yield incoming, outgoing
            finally:
                tasks.cancel_scope.cancel()
                await self._end_session()

    def abandon(self, request_id: RequestId) -> None:
        """Nobody waits for this request any more: its connection is closed."""
        if (scope := self._scopes.get(request_id)) is not None:
            scope.cancel()

    async def _pump(
        self, tasks: TaskGroup, messages: MemoryObjectReceiveStream[SessionMessage], to_session: _ToSession
    ) -> None:
        async for message in messages:
            if isinstance(message.message.root, JSONRPCRequest):
                tasks.start_soon(self._exchange, message.message, to_session)
            else:  # in its turn: no request may overtake the notification that the client is initialized
                await self._exchange(message.message, to_session)

    async def _exchange(self, message: JSONRPCMessage, to_session: _ToSession) -> None:
        """One POST. Never raises, so that it ends nothing but itself."""
        root = message.root
        request_id = root.id if isinstance(root, JSONRPCRequest) else None
        failure: TransportFailure | None = None
        try:
            with anyio.fail_after(self._seconds) as scope:
                if request_id is not None:
                    self._scopes[request_id] = scope
                await self._post(message, request_id, to_session)
        except _NoAnswerError as error:
            failure = error.failure
        except (AnswerTooLargeError, EncodedAnswerError) as error:
            failure = TransportFailure(str(error))
        except TimeoutError:
            failure = TransportFailure(f"no answer within {self._seconds:g} s")
        except httpx.TimeoutException:
            failure = TransportFailure("no answer in time")
        except httpx.HTTPError:
            failure = TransportFailure("the connection failed")
        except (ValidationError, SSEError, ValueError):
            failure = TransportFailure("the answer is not of the MCP protocol")
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            failure = TransportFailure("the session is closing")
        finally:
            if request_id is not None:
                self._scopes.pop(request_id, None)
        if failure is not None and request_id is not None:
            error_data = ErrorData(code=INTERNAL_ERROR, message="no answer", data=failure)
            answer = JSONRPCError(jsonrpc="2.0", id=request_id, error=error_data)
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # the session is closing
                await to_session.send(SessionMessage(JSONRPCMessage(answer)))

    async def _post(
        self, message: JSONRPCMessage, request_id: RequestId | None, to_session: _ToSession
    ) -> None:
        content = message.model_dump_json(by_alias=True, exclude_none=True)
        async with self._http.stream("POST", self._url, content=content, headers=self._headers()) as response:
            if not 200 <= response.status_code < 300:
                raise _NoAnswerError(status=response.status_code)
            if self._protocol_version is None:
                self._session_id = response.headers.get("mcp-session-id")
            if request_id is None:
                return
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            limited(response, self._max_bytes)
            if kind == "application/json":
                await response.aread()
                if await self._deliver(response.text, request_id, to_session):
                    return
            elif kind == "text/event-stream":
                async for event in EventSource(response).aiter_sse():
                    if event.event == "message" and event.data:  # noqa: SIM102 - the second is an action
                        if await self._deliver(event.data, request_id, to_session):
                            return
            raise _NoAnswerError("the answer broke off or is of an unexpected kind")

    async def _deliver(self, data: str, request_id: RequestId, to_session: _ToSession) -> bool:
        """Hands the answer to `request_id` to the session; false for any other message.

        Of those the session gets pings alone. The others would do nothing here but have their text logged by
        the library, if it is odd, and the text may have the credential in it.
        """
        message = JSONRPCMessage.model_validate_json(data)
        if isinstance(message.root, JSONRPCRequest) and message.root.method == "ping":
            ping = JSONRPCRequest(jsonrpc="2.0", id=message.root.id, method="ping")
            await to_session.send(SessionMessage(JSONRPCMessage(ping)))
            return False
        if not isinstance(message.root, JSONRPCResponse | JSONRPCError) or message.root.id != request_id:
            return False
        if isinstance(message.root, JSONRPCResponse) and self._protocol_version is None:
            self._protocol_version = str(message.root.result.get("protocolVersion", ""))
        await to_session.send(SessionMessage(message))
        return True

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

    async def _end_session(self) -> None:
        if not self._session_id:
            return
        with anyio.move_on_after(2, shield=True):
            try:
                await self._http.delete(self._url, headers=self._headers())
            except httpx.HTTPError:
                return
