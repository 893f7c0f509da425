"""An MCP server as a service: its tools are listed from it, and called over persistent sessions."""

import asyncio
import hashlib
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from cachetools import LRUCache

from identity.access_identity import AccessIdentity
from identity.credentials.credential import Credential
from identity.credentials.credential_auth import send_with_credential
from identity.credentials.requirement import CredentialRequirement
from identity.error_code import ErrorCode
from identity.errors import ServiceError
from identity.secret import Secret
from identity.transport.client import checked_url, http_client
from tools.error_codes import ToolCode
from tools.mcp_service.session import MCPSession
from tools.mcp_service.session_pool import MCPSessions
from tools.mcp_service.transport import MCPCallFailure, MCPFailure, MCPTransport
from tools.result import presentable
from tools.service import Access, ToolResult, ToolSchema

_Answer = TypeVar("_Answer")


class MCPService:
    """Every credential has a session of its own, kept for the next call; callers whose credentials are equal
    share one, because the credential is all that the server sees of them.

    A warm call is one request. After a 401 or 403 the credential is renewed, once, and the request sent
    again, unless the credential is so young that nothing was renewed; a session that the server has forgotten
    is opened anew, once.
    With `allowed_tools`, only those are offered and called. `seconds` bounds a whole call. At most `sessions`
    are kept; the least recently used one ends when its calls have ended.

    A refused call is the answer to that call: the session and the tools stay as they are for others. If the
    server refuses to open a session or to list its tools, nothing is offered to the holder of the credential.

    A dead server must not hold up chats that need none of its tools: `tools` waits `listing_seconds` at most,
    and after that long a wait for nothing does not ask again for `pause_seconds`, or until the server answers
    a call. Whatever else fails is tried again by the next request. Meanwhile what was listed before is
    offered. Calls always try.
    """

    def __init__(
        self,
        name: str,
        url: str,
        credential: CredentialRequirement,
        *,
        access_identity: AccessIdentity | None = None,
        allowed_tools: Collection[str] | None = None,
        error_code: ErrorCode = ToolCode.SERVICE_FAILED,
        settings: Sequence[str] = (),
        ssl_context: ssl.SSLContext | None = None,
        seconds: float = 25.0,
        max_bytes: int = 1024 * 1024,
        sessions: int = 64,
        tools_seconds: float = 300.0,
        listing_seconds: float = 5.0,
        pause_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.credential = credential
        self.access_identity = access_identity
        self.error_code = error_code
        self.settings = tuple(settings)
        self._url = checked_url(url)
        self._placement = credential.placement
        self._allowed_tools = None if allowed_tools is None else frozenset(allowed_tools)
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._tools_seconds = tools_seconds
        self._listing_seconds = listing_seconds
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._paused_until: float | None = None
        self._http = http_client(ssl_context, seconds)
        self._sessions = MCPSessions(self._open, sessions)
        self._listed: LRUCache[str, list[ToolSchema]] = LRUCache(sessions)
        self._last_listed: LRUCache[Hashable, list[ToolSchema]] = LRUCache(sessions)

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        """What the server lists for this credential. Raises `ServiceError` and the identity's errors."""
        credential = await access.credential()
        key, holder = _key(credential.secret), _holder(credential)
        known = self._listed.get(key) or self._last_listed.get(holder)
        paused = self._paused_until is not None and self._clock() < self._paused_until
        if paused and self._sessions.current(key) is None:
            if known:
                return known
            raise self._error(MCPFailure("no response a moment ago"))

        async def listed(session: MCPSession) -> list[ToolSchema]:
            listed = await session.tools()
            tools = [tool.schema for name, tool in listed.items() if self._allows(name)]
            self._listed[_key(session.secret)] = self._last_listed[holder] = tools
            return tools

        try:
            return await self._with_session(access, listed, min(self._listing_seconds, self._seconds))
        except MCPFailure as error:
            failure = error
        if failure.refuses_the_key:
            self._listed.pop(key, None)
            self._last_listed.pop(holder, None)
            known = None
        if failure.late:
            self._paused_until = self._clock() + self._pause_seconds
        if known:
            return known
        raise self._error(failure)

    def cached_tools(self, access: Access) -> Sequence[ToolSchema] | None:
        """What was listed for this credential, while the session is open and the list current."""
        if (credential := access.cached()) is None:
            return None
        session = self._sessions.current(key := _key(credential.secret))
        if session is None or not session.tools_are_current:
            return None
        return self._listed.get(key)

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Calls a tool. Raises `ServiceError` and the identity layer's errors."""
        presented: list[Secret] = []

        async def called(session: MCPSession) -> ToolResult:
            presented.append(session.secret)
            listed = (await session.tools()).get(tool) if self._allows(tool) else None
            if listed is None:
                return ToolResult(f'there is no tool "{tool}"', ok=False, called=False)
            if faults := listed.validator.faults(arguments):
                return ToolResult(f"invalid arguments: {'; '.join(faults)}", ok=False, called=False)
            return await session.call(tool, arguments)

        failure: MCPFailure | None = None
        try:
            result = await self._with_session(access, called, self._seconds)
        except MCPFailure as error:
            failure = error
        if failure is not None:
            raise self._error(failure)
        return replace(result, text=presentable(result.text, presented))

    async def aclose(self) -> None:
        """Ends all sessions; calls in flight fail."""
        await self._sessions.aclose()
        await self._http.aclose()

    def _allows(self, tool: str) -> bool:
        return self._allowed_tools is None or tool in self._allowed_tools

    def _error(self, failure: MCPFailure) -> ServiceError:
        return ServiceError(
            self.error_code, f'"{self.name}": {failure.detail}', status=failure.status, settings=self.settings
        )

    async def _with_session(
        self, access: Access, work: Callable[[MCPSession], Awaitable[_Answer]], seconds: float
    ) -> _Answer:
        """The answer of `work`. Raises `MCPFailure` and the identity layer's errors."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self._renewed_once(access, work)
        except TimeoutError:
            late = f"no answer within {seconds:g} s"
        else:
            self._paused_until = None
            return answer
        raise MCPFailure(late, late=True)

    async def _renewed_once(
        self, access: Access, work: Callable[[MCPSession], Awaitable[_Answer]]
    ) -> _Answer:
        """The result of `work`, whose credential is renewed once after a refusal. Raises `MCPFailure`."""
        outcome = await send_with_credential(
            access,
            partial(self._in_session, work),
            lambda outcome: isinstance(outcome, MCPFailure) and outcome.refuses_the_key,
        )
        if isinstance(outcome, MCPFailure):
            raise outcome
        return outcome

    async def _in_session(
        self, work: Callable[[MCPSession], Awaitable[_Answer]], credential: Credential
    ) -> _Answer | MCPFailure:
        """The result of `work` in the session of `credential`, or the failure.

        An established session that the server has forgotten is opened anew and `work` done again, once. Such
        a server has not processed the request (MCP 2025-06-18, Transports, Session Management).
        """
        key = _key(credential.secret)
        established = self._sessions.current(key)
        session: MCPSession | None = None
        failure = MCPFailure()
        while session is None or session is established:
            session = None
            try:
                session = await self._sessions.session(key, credential.secret)
                with session.in_use():
                    return await work(session)
            except MCPFailure as error:
                failure = error
            if session is None or isinstance(failure, MCPCallFailure):
                break
            forgotten = failure.status in (400, 404) and session is established
            if forgotten or failure.refuses_the_key:
                self._sessions.drop(key, session)
            if not forgotten:
                break
        return failure

    async def _open(self, secret: Secret) -> MCPSession:
        transport = MCPTransport(
            self._http,
            self._url,
            secret,
            seconds=self._seconds,
            max_bytes=self._max_bytes,
            placement=self._placement,
        )
        session = MCPSession(transport, secret, tools_seconds=self._tools_seconds, clock=self._clock)
        # Others wait for this opening: one that hangs must not keep them once the server is well again.
        seconds = min(self._listing_seconds, self._seconds)
        try:
            async with asyncio.timeout(seconds):
                await session.open()
        except TimeoutError:
            late = f"no session within {seconds:g} s"
            raise MCPFailure(late, late=True) from None
        return session


def _key(secret: Secret) -> str:
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


def _holder(credential: Credential) -> Hashable:
    """Whose the credential is: the same when it has been renewed."""
    return credential.access_identity, credential.principal
