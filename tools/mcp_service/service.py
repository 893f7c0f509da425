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

from identity.credentials.credential import Credential
from identity.credentials.requirement import CredentialRequirement
from identity.errors import ErrorCode, ServiceError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.transport.client import checked_url, http_client
from identity.transport.http1.transport import PoolUse
from tools.approval_policy import ToolPolicy
from tools.arguments.fault import ArgumentFault, invalid_arguments
from tools.error_codes import ToolCode
from tools.mcp_service.errors import MCPCallError, MCPRequestError
from tools.mcp_service.selection import ToolSelection
from tools.mcp_service.session import MCPSession
from tools.mcp_service.session_pool import SessionPool
from tools.mcp_service.transport import MCPTransport
from tools.result import model_text
from tools.service import Access, ToolResult, ToolSchema, send_with_credential

_T = TypeVar("_T")


class MCPService:
    """Each credential has its own session, which is kept for later calls. Callers with equal credentials
    share one, because the credential is all that the server knows of them.

    A warm call is one request. After a 401 or 403 the credential is renewed once and the request sent again,
    unless the credential is too new to be renewed. A session that the server has forgotten is opened anew,
    once. `prefix`, `allowed_tools`, `reading_tools`, `policies` and `trusted` are those of `ToolSelection`:
    only what it chooses is offered and called. What the server says of its tools (annotations) is not used.
    `seconds` bounds a whole call. At most `sessions` are open; the least recently used one ends when its
    calls have ended.

    A refused call fails alone: the session and its tools remain. If the server refuses to open a session or
    to list its tools, no tool is offered to the principal of that credential.

    A server that does not respond must not delay chats that need none of its tools: `tools` waits for
    `listing_seconds` at most, and after a timeout sends no request for `pause_seconds`, or until a call
    succeeds. After any other failure the next request tries again. Meanwhile the last list of tools is
    offered. Calls are always tried.
    """

    def __init__(
        self,
        name: str,
        url: str,
        credential: CredentialRequirement,
        *,
        access_identity: AccessIdentity | None = None,
        prefix: str = "",
        allowed_tools: Collection[str] | None = None,
        reading_tools: Collection[str] = (),
        policies: Mapping[str, ToolPolicy] | None = None,
        trusted: bool = False,
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
        self.selection = ToolSelection(
            name,
            url,
            prefix=prefix,
            allowed_tools=allowed_tools,
            reading_tools=reading_tools,
            policies=policies or {},
            trusted=trusted,
        )
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._tools_seconds = tools_seconds
        self._listing_seconds = listing_seconds
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._paused_until: float | None = None
        self.pool_use = PoolUse()
        self._http = http_client(ssl_context, seconds, self.pool_use)
        self._sessions = SessionPool(self._open, sessions)
        self._listed: LRUCache[str, list[ToolSchema]] = LRUCache(sessions)
        self._last_listed: LRUCache[Hashable, list[ToolSchema]] = LRUCache(sessions)

    @property
    def tool_names(self) -> Collection[str]:
        """See `Service`."""
        return self.selection.names

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        """The tools that the server lists for this credential.

        Raises `ServiceError` and the identity layer's errors.
        """
        credential = await access.credential()
        key, holder = _key(credential.secret), _holder(credential)
        known = self._listed.get(key) or self._last_listed.get(holder)
        paused = self._paused_until is not None and self._clock() < self._paused_until
        if paused and self._sessions.current(key) is None:
            if known:
                return known
            raise self._error(MCPRequestError("a request timed out seconds ago"))

        async def listed(session: MCPSession) -> list[ToolSchema]:
            tools = [tool.schema for tool in (await session.tools()).values()]
            self._listed[_key(session.secret)] = self._last_listed[holder] = tools
            return tools

        try:
            return await self._with_session(access, listed, min(self._listing_seconds, self._seconds))
        except MCPRequestError as error:
            failure = error
        if failure.is_credential_refused:
            self._listed.pop(key, None)
            self._last_listed.pop(holder, None)
            known = None
        if failure.timed_out:
            self._paused_until = self._clock() + self._pause_seconds
        if known:
            return known
        raise self._error(failure)

    def cached_tools(self, access: Access) -> Sequence[ToolSchema] | None:
        """The tools listed for this credential, while its session is open and the list is current."""
        if (credential := access.cached()) is None:
            return None
        session = self._sessions.current(key := _key(credential.secret))
        if session is None or not session.tools_are_current:
            return None
        return self._listed.get(key)

    def policy(self, tool: str) -> ToolPolicy:
        """See `ToolSelection`."""
        return self.selection.policy(tool)

    async def argument_faults(
        self, tool: str, arguments: Mapping[str, Any], access: Access
    ) -> Sequence[ArgumentFault]:
        """See `Service`. By the schema that the server lists for this credential."""

        async def found(session: MCPSession) -> Sequence[ArgumentFault]:
            listed = (await session.tools()).get(self.selection.servers_name(tool))
            return [] if listed is None else listed.validator.faults(arguments)

        failure: MCPRequestError | None = None
        try:
            return await self._with_session(access, found, min(self._listing_seconds, self._seconds))
        except MCPRequestError as error:
            failure = error
        raise self._error(failure)

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Calls a tool. Raises `ServiceError` and the identity layer's errors."""
        presented: list[Secret] = []

        async def called(session: MCPSession) -> ToolResult:
            presented.append(session.secret)
            name = self.selection.servers_name(tool)
            listed = (await session.tools()).get(name)
            if listed is None:
                return ToolResult(f'there is no tool "{tool}"', ok=False, called=False)
            if faults := listed.validator.faults(arguments):
                return ToolResult(invalid_arguments(faults), ok=False, called=False)
            return await session.call(name, arguments)

        failure: MCPRequestError | None = None
        try:
            result = await self._with_session(access, called, self._seconds)
        except MCPRequestError as error:
            failure = error
        if failure is not None:
            raise self._error(failure)
        return replace(result, text=model_text(result.text, presented))

    async def aclose(self) -> None:
        """Ends all sessions; calls in flight fail."""
        await self._sessions.aclose()
        await self._http.aclose()

    def _error(self, failure: MCPRequestError) -> ServiceError:
        return ServiceError(
            self.error_code, f'"{self.name}": {failure.detail}', status=failure.status, settings=self.settings
        )

    async def _with_session(
        self, access: Access, work: Callable[[MCPSession], Awaitable[_T]], seconds: float
    ) -> _T:
        """The result of `work`. Raises `MCPRequestError` and the identity layer's errors."""
        try:
            async with asyncio.timeout(seconds):
                result = await self._renewed_once(access, work)
        except TimeoutError:
            detail = f"no response within {seconds:g} s"
        else:
            self._paused_until = None
            return result
        raise MCPRequestError(detail, timed_out=True)

    async def _renewed_once(self, access: Access, work: Callable[[MCPSession], Awaitable[_T]]) -> _T:
        """The result of `work`; after a refusal the credential is renewed once. Raises `MCPRequestError`."""
        outcome = await send_with_credential(
            access,
            partial(self._in_session, work),
            lambda outcome: isinstance(outcome, MCPRequestError) and outcome.is_credential_refused,
        )
        if isinstance(outcome, MCPRequestError):
            raise outcome
        return outcome

    async def _in_session(
        self, work: Callable[[MCPSession], Awaitable[_T]], credential: Credential
    ) -> _T | MCPRequestError:
        """The result of `work` in the session of `credential`, or its failure.

        If the server has forgotten an established session, another is opened and `work` done again, once. The
        server has not processed the request then (MCP 2025-06-18, Transports, Session Management).
        """
        key = _key(credential.secret)
        established = self._sessions.current(key)
        session: MCPSession | None = None
        failure = MCPRequestError()
        while session is None or session is established:
            session = None
            try:
                session = await self._sessions.session(key, credential.secret)
                with session.in_use():
                    return await work(session)
            except MCPRequestError as error:
                failure = error
            if session is None or isinstance(failure, MCPCallError):
                break
            forgotten = failure.status in (400, 404) and session is established
            if forgotten or failure.is_credential_refused:
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
        session = MCPSession(
            transport,
            secret,
            tools_seconds=self._tools_seconds,
            usable=self.selection.used,
            clock=self._clock,
        )
        # Other callers wait for this opening: one that hangs must not delay them after the server recovers.
        seconds = min(self._listing_seconds, self._seconds)
        try:
            async with asyncio.timeout(seconds):
                await session.open()
        except TimeoutError:
            detail = f"no session within {seconds:g} s"
            raise MCPRequestError(detail, timed_out=True) from None
        return session


def _key(secret: Secret) -> str:
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


def _holder(credential: Credential) -> Hashable:
    """Whose the credential is, which renewal does not change."""
    return credential.access_identity, credential.principal
