"""An MCP server as a service: its tools are listed from it, and called, in the version that it speaks."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeVar

import httpx
from cachetools import LRUCache, TTLCache

from http1.transport import PoolUse
from identity.credentials.requirement import AccessTokenRequirement, Credential, CredentialRequirement
from identity.errors import ErrorCode, ServiceError
from identity.observation.attribute import Attribute
from identity.observation.span import CURRENT_SPAN
from identity.principal import AccessIdentity
from identity.secrets.redaction import contains
from identity.transport.client import checked_url, http_client
from tools.approval_policy import Data, ToolPolicy
from tools.arguments.fault import ArgumentFault, invalid_arguments
from tools.error_codes import ToolCode
from tools.mcp_service.modern import ModernSession
from tools.mcp_service.selection import ToolSelection
from tools.mcp_service.session import CLOSED, Call, Server, Session, SessionPool
from tools.mcp_service.wire import MCPRequestError, Wire
from tools.progress import TimeLimit, reported_to
from tools.result import model_text
from tools.result_schema import ResultSchema
from tools.service import Access, ToolResult, ToolSchema, send_with_credential

_T = TypeVar("_T")
_NO_LEGACY: Final = (
    "the server speaks a version of MCP before 2026-07-28, which needs idaas-agent[mcp] and its SDK 1.x"
)


class MCPService:
    """Which version of MCP the server speaks is found by its first use (`docs/mcp.md`). Each credential has
    its own session, which is kept for later calls. Callers with equal credentials share one, because the
    credential is all that the server knows of them.

    A warm call is one request. After a 401, and a 403 of the older version, the credential is renewed once
    and the request sent again, unless the credential is too new to be renewed. If a 403 names permissions
    that are missing, and `credential` may step up to them, it is sent once with an access token that has them
    too, and for `tools_seconds` the caller's next calls of the tool begin with that. A session that the
    server has forgotten is opened anew, once. `prefix`, `allowed_tools`, `reading_tools`, `policies` and
    `trusted` are those of `ToolSelection`: only what it chooses is offered and called. What the server says
    of its tools (annotations) is not used. `seconds` bounds a whole call, or the time between two reports of
    its progress. At most `sessions` are open; the least recently used one ends when its calls have ended.

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
        data: Data = Data.UNLABELLED,
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
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """`http` sends the requests in place of a client of the service's own, which closes it."""
        if credential.also:
            raise ValueError("an MCP server gets one credential")
        self.name = name
        self.credential = credential
        self.access_identity = access_identity
        self.error_code = error_code
        self.settings = tuple(settings)
        self.data = data
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
        self._listing_seconds = listing_seconds
        self._pause_seconds = pause_seconds
        self._paused_until: float | None = None
        self._failing_since: float | None = None
        self._limits: set[TimeLimit] = set()
        self._closed = False
        self.pool_use = PoolUse()
        self._http = http or http_client(ssl_context, seconds, self.pool_use)
        wire = Wire(self._http, checked_url(url), max_bytes=max_bytes, placement=credential.placement)
        self._server = Server(wire, self.selection.used, tools_seconds, clock)
        self._sessions = SessionPool(self._open, sessions)
        self._last_listed: LRUCache[Hashable, list[ToolSchema]] = LRUCache(sessions)
        self._stepped_up: TTLCache[Hashable, AccessTokenRequirement] = TTLCache(1_000, tools_seconds, clock)

    @property
    def may_ask(self) -> bool:
        """Whether the server can ask the user of a call (`tools.elicitation`): so can the newer version."""
        return bool(self._server.is_modern)

    @property
    def tool_names(self) -> Collection[str]:
        """See `Service`."""
        return self.selection.names

    @property
    def declared_tools(self) -> Collection[str]:
        """The names of tools with a policy, as the model knows them, also before the server lists them."""
        return [self.selection.prefix + name for name in self.selection.policies]

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        """The tools that the server lists for this credential.

        Raises `ServiceError` and the identity layer's errors.
        """
        credential = await access.credential()
        holder = credential.access_identity, credential.principal  # which renewal does not change
        paused = self._paused_until is not None and self._server.clock() < self._paused_until

        async def listed(session: Session) -> list[ToolSchema]:
            tools = (await session.listing()).schemas
            self._last_listed[holder] = tools
            return tools

        failure = MCPRequestError("a request timed out seconds ago")
        if not paused or self._sessions.current(credential) is not None:
            try:
                return await self._in_time(self._listing_limit(), self._with_session(access, listed))
            except MCPRequestError as error:
                failure = error
        if failure.is_credential_refused:
            self._last_listed.pop(holder, None)
        if failure.timed_out:
            self._paused_until = self._server.clock() + self._pause_seconds
        if last_listed := self._last_listed.get(holder):
            return last_listed
        raise self._error(failure)

    def cached_tools(self, access: Access) -> Sequence[ToolSchema] | None:
        """The tools listed for this credential, while its session is open and the list is current."""
        if (credential := access.cached()) is None:
            return None
        session = self._sessions.current(credential)
        listing = session.current if session is not None else None
        return listing.schemas if listing is not None else None

    def result_schema(self, tool: str, access: Access) -> ResultSchema | None:
        """The schema of what `tool` returns, as it is listed now for this credential without a request."""
        credential = access.cached()
        session = None if credential is None else self._sessions.current(credential)
        listing = None if session is None else session.current
        listed = listing and listing.tools.get(self.selection.servers_name(tool))
        return listed.result if listed else None

    def policy(self, tool: str) -> ToolPolicy:
        """See `ToolSelection`."""
        return self.selection.policy(tool)

    async def argument_faults(
        self, tool: str, arguments: Mapping[str, Any], access: Access
    ) -> Sequence[ArgumentFault]:
        """See `Service`. By the schema that the server lists for this credential."""

        async def faults(session: Session) -> Sequence[ArgumentFault]:
            listed = (await session.listing()).tools.get(self.selection.servers_name(tool))
            return [] if listed is None else listed.validator.faults(arguments)

        return await self._or_error(self._in_time(self._listing_limit(), self._with_session(access, faults)))

    async def call(self, tool: str, arguments: Mapping[str, Any], access: Access) -> ToolResult:
        """Calls a tool. Raises `ServiceError` and the identity layer's errors."""
        limit = TimeLimit(self._seconds)
        name = self.selection.servers_name(tool)
        call = Call(name, arguments)

        async def called(session: Session) -> ToolResult:
            span = CURRENT_SPAN.get()  # the call's own: the convention wants no second one
            span.set(Attribute.MCP_METHOD, "tools/call")
            span.set(Attribute.MCP_VERSION, session.version)
            listed = (await session.listing()).tools.get(name)
            if listed is None:
                return ToolResult(f'there is no tool "{tool}"', ok=False, called=False)
            if faults := listed.validator.faults(arguments):
                return ToolResult(invalid_arguments(faults), ok=False, called=False)
            call.returns = listed.result
            return await session.call(call)

        with reported_to(limit.progressed):
            result = await self._or_error(self._in_time(limit, self._with_session(access, called, tool)))
        files = [file for file in result.files if not contains(file[1], call.presented)]
        return replace(result, text=model_text(result.text, call.presented), files=files)

    async def metadata(self) -> Mapping[str, Any] | None:
        """The server's metadata as a protected resource (RFC 9728); `None` if it has none.

        It is requested without a credential, and nothing of it is followed. Raises `ServiceError`.
        """
        return await self._or_error(self._in_time(self._listing_limit(), self._server.wire.metadata()))

    async def aclose(self) -> None:
        """Ends all sessions; calls in flight fail."""
        self._closed = True
        for limit in self._limits:
            limit.end()
        await self._sessions.aclose()
        await self._http.aclose()

    async def _or_error(self, work: Awaitable[_T]) -> _T:
        """The result of `work`. Raises `ServiceError`."""
        try:
            return await work
        except MCPRequestError as error:
            raise self._error(error) from None

    def _error(self, failure: MCPRequestError) -> ServiceError:
        code = ToolCode.PERMISSION_MISSING if failure.missing else self.error_code
        return ServiceError(
            code, f'"{self.name}": {failure.detail}', status=failure.status, settings=self.settings
        )

    async def _with_session(
        self, access: Access, work: Callable[[Session], Awaitable[_T]], tool: str = ""
    ) -> _T:
        """The result of `work`, repeated with a credential that may be accepted. It begins with the
        permissions that `tool` has lately needed for this caller.

        Raises `MCPRequestError` and the identity layer's errors.
        """
        send = partial(self._in_session, work)
        key = (tool, access.caller and access.caller.principal)
        wider = self._stepped_up.get(key)
        using = access if wider is None else access.stepped_up(wider)
        outcome = await send_with_credential(using, send, _may_be_renewed, _is_forbidden)
        if isinstance(outcome, MCPRequestError) and isinstance(self.credential, AccessTokenRequirement):
            wider = (wider or self.credential).stepped_up(outcome.missing)
            if wider is not None:
                using = access.stepped_up(wider)
                outcome = await send_with_credential(using, send, _may_be_renewed, _is_forbidden)
        if isinstance(outcome, MCPRequestError):
            raise outcome
        if wider is not None:
            self._stepped_up[key] = wider
        self._paused_until = self._failing_since = None
        return outcome

    async def _in_session(
        self, work: Callable[[Session], Awaitable[_T]], credential: Credential
    ) -> _T | MCPRequestError:
        """The result of `work` in the session of `credential`, or its failure.

        If the server has forgotten an established session, another is opened and `work` done again, once. The
        server has not processed the request then (MCP 2025-06-18, Transports, Session Management).
        """
        established = self._sessions.current(credential)
        while True:
            session = None
            try:
                session = await self._sessions.session(credential)
                with session.in_use():
                    return await work(session)
            except MCPRequestError as error:
                failure = error
            if session is None or failure.of_call:
                return failure
            forgotten = failure.status in (400, 404) and session is established
            if forgotten or failure.is_credential_refused:
                self._sessions.drop(session)
            if not forgotten:
                return failure

    async def _open(self, credential: Credential) -> Session:
        # Other callers wait for this opening: one that hangs must not delay them after the server recovers.
        return await self._in_time(self._listing_limit(), self._opened(credential))

    async def _opened(self, credential: Credential) -> Session:
        """A session in the version that the server speaks.

        Without a proof the older version is tried, and the next session tries the newer one again. So does
        this one if the server was known to speak the older one and refuses it: it may have been replaced.
        """
        was_modern = self._server.is_modern
        modern = ModernSession(self._server, credential)
        if await modern.open():
            return modern
        with self._time_stopped():  # importing takes 0.2 s or more, and is not the server's time
            legacy_session = await asyncio.to_thread(_legacy_session)
        session = legacy_session(self._server, credential)
        try:
            await session.open()
        except MCPRequestError as error:
            self._server.is_modern = None
            if was_modern is None or error.status not in (400, 404, 405):
                raise
            return await self._opened(credential)
        return session

    @contextmanager
    def _time_stopped(self) -> Iterator[None]:
        """No limit ends in the block, also none of the callers who wait for a session; each begins anew."""
        for limit in self._limits:
            limit.stop()
        try:
            yield
        finally:
            for limit in self._limits:
                limit.progressed()

    def _listing_limit(self) -> TimeLimit:
        return TimeLimit(min(self._listing_seconds, self._seconds))

    async def _in_time(self, limit: TimeLimit, work: Awaitable[_T]) -> _T:
        """The result of `work`. Raises `MCPRequestError` at the limit, and when the service is closed."""
        try:
            async with limit.timeout:
                self._limits.add(limit)
                return await work
        except TimeoutError:
            detail = CLOSED if self._closed else f"no response within {limit.seconds:g} s"
            failure = MCPRequestError(detail, timed_out=True)
        except MCPRequestError as error:
            failure = error
        finally:
            self._limits.discard(limit)
        # A server of the older version that refuses one call or credential does not fail.
        if self.may_ask or not (failure.of_call or failure.is_credential_refused):
            self._failing_since = self._failing_since or self._server.clock()
            if self._server.clock() - self._failing_since > self._server.seconds:  # it may have been replaced
                self._server.is_modern = self._failing_since = None
                self._sessions.retire()
        raise failure


def _may_be_renewed(outcome: object) -> bool:
    return isinstance(outcome, MCPRequestError) and outcome.is_credential_refused and not outcome.final


def _is_forbidden(outcome: object) -> bool:
    return isinstance(outcome, MCPRequestError) and outcome.status == 403


def _legacy_session() -> type[Session]:
    """The sessions of the older versions. Raises `MCPRequestError` where there is no SDK that speaks them."""
    try:
        module = import_module("tools.mcp_service.legacy")
    except ImportError:
        raise MCPRequestError(_NO_LEGACY) from None
    session: type[Session] = module.LegacySession
    return session
