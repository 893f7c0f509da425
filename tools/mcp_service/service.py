"""An MCP server as a service: its tools are listed from it, and called over persistent sessions."""

import asyncio
import contextvars
import hashlib
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from cachetools import LRUCache, TTLCache

from identity.access_identity import AccessIdentity
from identity.credentials.credential import CredentialNeed
from identity.error_table import ErrorCode
from identity.errors import ServiceError
from identity.secret import Secret
from identity.transport.client import checked_url, http_client
from tools.mcp_service.session import MCPSession
from tools.mcp_service.transport import MCPFailure, MCPTransport
from tools.result import presentable
from tools.service import Access, ToolResult, ToolSchema

_Answer = TypeVar("_Answer")


class MCPService:
    """Every credential has a session of its own, kept for the next call; callers whose credentials are equal
    share one, because the credential is all that the server sees of them.

    A warm call is one request. After a 401 or 403 the credential is renewed, once; a session that the server
    has forgotten is opened anew, once. `seconds` bounds a whole call. At most `sessions` are kept; the least
    recently used one ends when its calls have ended.

    A dead server must not hold up chats that need none of its tools: `tools` waits `listing_seconds` at most,
    tries again only `pause_seconds` after the server could not be reached, or refused this very credential;
    in the first case it meanwhile offers what was listed before. Calls always try.
    """

    def __init__(
        self,
        name: str,
        url: str,
        credential: CredentialNeed,
        *,
        access_identity: AccessIdentity | None = None,
        failure: ErrorCode = ErrorCode.EXTERNAL_SERVICE_FAILED,
        ssl_context: ssl.SSLContext | None = None,
        seconds: float = 25.0,
        max_bytes: int = 1024 * 1024,
        sessions: int = 64,
        tools_seconds: float = 300.0,
        listing_seconds: float = 5.0,
        pause_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.needs = credential
        self.access_identity = access_identity
        self.failure = failure
        self._url = checked_url(url)
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._most_sessions = sessions
        self._tools_seconds = tools_seconds
        self._listing_seconds = listing_seconds
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._paused_until: float | None = None
        self._http = http_client(ssl_context, seconds)
        self._sessions: OrderedDict[str, asyncio.Task[MCPSession]] = OrderedDict()
        self._listed: LRUCache[str, list[ToolSchema]] = LRUCache(sessions)
        self._refused: TTLCache[str, int] = TTLCache(sessions, pause_seconds, timer=clock)

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        """What the server lists for this credential. Raises `ServiceError` and the identity's errors."""
        key = _key((await access.credential()).secret)
        if (status := self._refused.get(key)) is not None:
            raise ServiceError(self.failure, f'"{self.name}" refused this key a moment ago', status=status)
        opening = self._sessions.get(key)
        paused = self._paused_until is not None and self._clock() < self._paused_until
        if paused and (opening is None or not _usable(opening)):
            if known := self._listed.get(key):
                return known
            raise ServiceError(self.failure, f'"{self.name}" could not be reached a moment ago')

        async def listed(session: MCPSession) -> list[ToolSchema]:
            tools = [tool.schema for tool in (await session.tools()).values()]
            self._listed[_key(session.secret)] = tools
            return tools

        try:
            tools = await self._with_session(access, listed, min(self._listing_seconds, self._seconds))
        except ServiceError as error:
            if error.status is None:
                self._paused_until = self._clock() + self._pause_seconds
            if error.status not in (401, 403) and (known := self._listed.get(key)):
                return known
            raise
        self._paused_until = None
        return tools

    def tools_at_hand(self, access: Access) -> Sequence[ToolSchema] | None:
        """What was listed for this credential, while the session is open and the list current."""
        if (credential := access.at_hand()) is None:
            return None
        opening = self._sessions.get(key := _key(credential.secret))
        if opening is None or not _usable(opening) or not opening.result().tools_are_current:
            return None
        self._sessions.move_to_end(key)
        return self._listed.get(key)

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Calls a tool. Raises `ServiceError` and the identity layer's errors."""
        presented: list[Secret] = []

        async def called(session: MCPSession) -> ToolResult:
            presented.append(session.secret)
            listed = (await session.tools()).get(tool)
            if listed is None:
                return ToolResult(f'there is no tool "{tool}"', ok=False, called=False)
            if faults := listed.faults(arguments):
                return ToolResult(f"invalid arguments: {'; '.join(faults)}", ok=False, called=False)
            return await session.call(tool, arguments)

        result = await self._with_session(access, called, self._seconds)
        return replace(result, text=presentable(result.text, presented))

    async def aclose(self) -> None:
        """Ends all sessions; calls in flight fail."""
        openings, self._sessions = list(self._sessions.values()), OrderedDict()
        await asyncio.gather(*map(_closed, openings))
        await self._http.aclose()

    async def _with_session(
        self, access: Access, work: Callable[[MCPSession], Awaitable[_Answer]], seconds: float
    ) -> _Answer:
        try:
            async with asyncio.timeout(seconds):
                return await self._attempts(access, work)
        except MCPFailure as failure:
            detail, status = failure.detail, failure.status
        except TimeoutError:
            detail, status = f"no answer within {seconds:g} s", None
        raise ServiceError(self.failure, f'"{self.name}": {detail}', status=status)

    async def _attempts(self, access: Access, work: Callable[[MCPSession], Awaitable[_Answer]]) -> _Answer:
        credential = await access.credential()
        renewed = reopened = False
        refusal: MCPFailure | None = None
        while True:
            key = _key(credential.secret)
            was_open = key in self._sessions
            try:
                session = await self._session(key, credential.secret)
                with session.in_use():
                    return await work(session)
            except MCPFailure as failure:
                refused = failure.status in (401, 403)
                forgotten = failure.status in (400, 404) and was_open
                if refused or forgotten:
                    self._drop(key)
                if refused and not renewed:
                    renewed, refusal = True, failure
                elif forgotten and not reopened:
                    reopened = True
                    continue
                else:
                    if refused:
                        self._refused[key] = failure.status or 401
                    raise
            fresh = await access.renew(credential)
            if fresh is credential and refusal is not None:  # too young: nothing was renewed
                self._refused[key] = refusal.status or 401
                raise refusal
            credential = fresh

    async def _session(self, key: str, secret: Secret) -> MCPSession:
        """The open session for this credential; opened once, however many calls wait for it."""
        opening = self._sessions.get(key)
        if opening is not None and opening.done() and not _usable(opening):
            opening = None
        if opening is None:
            opening = asyncio.create_task(self._open(secret), context=contextvars.Context())
            opening.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # seen, if by nobody else
            self._sessions[key] = opening
            self._evict()
        self._sessions.move_to_end(key)
        return await asyncio.shield(opening)

    async def _open(self, secret: Secret) -> MCPSession:
        transport = MCPTransport(
            self._http, self._url, secret, seconds=self._seconds, max_bytes=self._max_bytes
        )
        session = MCPSession(transport, secret, tools_seconds=self._tools_seconds, clock=self._clock)
        # Others wait for this opening: one that hangs must not keep them once the server is well again.
        seconds = min(self._listing_seconds, self._seconds)
        try:
            async with asyncio.timeout(seconds):
                await session.open()
        except TimeoutError:
            late = f"no session within {seconds:g} s"
            raise MCPFailure(late) from None
        return session

    def _evict(self) -> None:
        while len(self._sessions) > self._most_sessions:
            self._drop(next(iter(self._sessions)))

    def _drop(self, key: str) -> None:
        opening = self._sessions.pop(key, None)
        if opening is None:
            return
        if _usable(opening):
            opening.result().retire()
        elif not opening.done():
            opening.add_done_callback(lambda done: done.result().retire() if _usable(done) else None)


async def _closed(opening: "asyncio.Task[MCPSession]") -> None:
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().close()


def _usable(opening: "asyncio.Task[MCPSession]") -> bool:
    if not opening.done() or opening.cancelled() or opening.exception() is not None:
        return False
    return opening.result().is_open


def _key(secret: Secret) -> str:
    return hashlib.sha256(secret.reveal().encode()).hexdigest()
