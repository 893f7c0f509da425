"""A session of an MCP server, which calls under one credential share, in either version of the protocol.

A `Session` is opened once for all callers whose credential is equal, and kept in a `SessionPool`.
"""

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Final, TypeAlias

from cachetools import LRUCache

from identity.credentials.requirement import Credential
from identity.secrets.secret import Secret
from identity.single_flight import SingleFlight
from tools.mcp_service.tool import MAX_LISTED, MAX_PAGES, MCPTool, usable_tools
from tools.mcp_service.wire import MALFORMED, UNDELIVERED, MCPRequestError, Wire
from tools.result_schema import ResultSchema
from tools.service import ToolResult, ToolSchema

CLOSED: Final = "the session was closed"
Pages: TypeAlias = list[Mapping[str, Any]]


@dataclass(slots=True)
class Call:
    """One call of a tool, by the server's name."""

    tool: str
    arguments: Mapping[str, Any]
    presented: list[Secret] = field(default_factory=list)
    """The credentials that the server has received with it."""
    returns: ResultSchema | None = None


@dataclass(frozen=True)
class Listing:
    """The tools that are used of a list, by the server's names, current until `until` (of the clock)."""

    tools: Mapping[str, MCPTool]
    until: float

    @cached_property
    def schemas(self) -> list[ToolSchema]:
        """The same object for the same list."""
        return [tool.schema for tool in self.tools.values()]


@dataclass(slots=True)
class Server:
    """The server behind `wire`, as all sessions know it, whatever their credential.

    `choose` returns the tools of a list that are used, for `seconds` of the `clock` at most.
    `is_modern` says whether it speaks the newer version: `None` until a response has proved it, and after one
    that contradicts it. It is that of this URL: servers behind one gateway may speak different versions.
    """

    wire: Wire
    choose: Callable[[Mapping[str, MCPTool]], Awaitable[Mapping[str, MCPTool]]]
    seconds: float
    clock: Callable[[], float]
    is_modern: bool | None = None
    public: Listing | None = None
    """The latest list that the server has declared to be for every credential."""


class Session(ABC):
    """The use of a server under one credential. Calls may come from any task and do not affect each other.

    A list that the server does not renew is used for another `seconds` of `server`. `version` is that of the
    protocol, once the session is open.
    """

    version: str | None = None

    def __init__(self, server: Server, credential: Credential) -> None:
        self.secret: Final = credential.secret
        self._is_own: Final = credential.principal is None
        self._server = server
        self._retired = False
        self._in_use = 0
        self._ending: asyncio.Task[None] | None = None
        self._last: Listing | None = None
        self._listing = asyncio.Lock()
        self._beside: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> Listing | None:
        """The list that `listing` returns, if that needs no request."""
        now = self._server.clock()
        for listing in (self._server.public, self._last):
            if listing is not None and now < listing.until:
                return listing
        return None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps a retired session open until the block ends."""
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            if self._retired and not self._in_use:
                self.end()

    def retire(self) -> None:
        """The session ends when its calls have ended. No new one may begin."""
        self._retired = True
        if not self._in_use:
            self.end()

    def end(self) -> "asyncio.Task[None]":
        """Ends the session now, which no call uses any more."""
        if self._ending is None:
            self._ending = self._send_beside(self._leave)
        return self._ending

    async def listing(self) -> Listing:
        """The tools. If a later listing fails, the last one is used, unless the credential is refused.

        Raises `MCPRequestError`.
        """
        async with self._listing:
            if (listing := self.current) is None:
                try:
                    listing = await self._listed(await self._pages())
                except MCPRequestError as failure:
                    if self._last is None or failure.is_credential_refused:
                        raise
                    listing = replace(self._last, until=self._server.clock() + self._server.seconds)
                self._last = listing
            return listing

    @abstractmethod
    async def open(self) -> bool:
        """Whether the server speaks the version of the session, which can be used then.

        Raises `MCPRequestError`.
        """

    @abstractmethod
    async def _listed(self, pages: Pages) -> Listing:
        """The tools that are used of the server's list. Each page has a list of `tools`.

        Raises `MCPRequestError`.
        """

    async def _pages(self) -> Pages:
        """The pages of the server's list. Raises `MCPRequestError`."""
        pages: Pages = []
        params: dict[str, Any] = {}
        while sum(len(page["tools"]) for page in pages) < MAX_LISTED and len(pages) < MAX_PAGES:
            pages.append(page := await self._result("tools/list", params))
            if not isinstance(page.get("tools"), list):
                raise MCPRequestError(MALFORMED)
            if not isinstance(cursor := page.get("nextCursor"), str):
                break
            params = {"cursor": cursor}
        return pages

    async def _chosen(self, pages: Pages, seconds: float, **options: Any) -> Listing:  # noqa: ANN401 - those of `usable_tools`
        """The tools that are used of `pages`, which are current for `seconds`."""
        chosen = await self._server.choose(await usable_tools(pages, self.secret, **options))
        return Listing(chosen, self._server.clock() + seconds)

    async def call(self, call: Call) -> ToolResult:
        """One `tools/call`. An error that the server reports by the protocol is a result. Not checked: the
        tool's output schema, whose regular expressions may take years.

        Raises `MCPRequestError`; it is `of_call` if it concerns this call only, as every HTTP status does
        while the server knows the session.
        """
        call.presented.append(self.secret)
        try:
            return await self._called(call)
        except MCPRequestError as failure:
            status = failure.status
            failure.of_call |= status is not None and not await self._is_forgotten(status)
            raise
        except ValueError:
            raise MCPRequestError(MALFORMED) from None

    @abstractmethod
    async def _called(self, call: Call) -> ToolResult:
        """See `call`. Raises `ValueError` too, for a malformed response."""

    @abstractmethod
    async def _is_forgotten(self, status: int) -> bool:
        """Whether the server no longer knows the session, after it has responded to a call with `status`."""

    @abstractmethod
    async def _send(self, method: str, params: dict[str, Any]) -> Mapping[str, Any]:
        """The response, with `result` or `error`. Raises `MCPRequestError`."""

    async def _result(self, method: str, params: dict[str, Any]) -> Mapping[str, Any]:
        """The result. Raises `MCPRequestError`, also for an error of the server, without its text."""
        response = await self._send(method, params)
        if "error" in response:
            raise MCPRequestError(f"protocol error {response['error']['code']}")
        result: Mapping[str, Any] = response["result"]
        return result

    async def _leave(self) -> None:
        """Waits for what else is sent beside, and ends what the server keeps for the session."""
        await asyncio.gather(*self._beside - {self._ending}, return_exceptions=True)

    def _send_beside(
        self, send: Callable[..., Awaitable[object]], *arguments: object, seconds: float = 2.0
    ) -> "asyncio.Task[None]":
        """Sends what no caller waits for, such as the cancellation of a call, in so many `seconds` at most:
        what hangs must occupy no connection.
        """
        task = asyncio.create_task(_sent_beside(seconds, send, *arguments), context=contextvars.Context())
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    def _changed(self) -> None:
        """The server says that its list has changed: the next use requests it."""
        self._server.public = None
        if self._last is not None:
            self._last = replace(self._last, until=self._server.clock())


async def _sent_beside(seconds: float, send: Callable[..., Awaitable[object]], *arguments: object) -> None:
    with suppress(*UNDELIVERED):
        await asyncio.wait_for(send(*arguments), seconds)


class SessionPool:
    """Sessions by the secret of their credential. `open_session` opens one, or raises `MCPRequestError`.

    At most `max_sessions` are open; the least recently used one ends when its calls have ended.
    """

    def __init__(
        self, open_session: Callable[[Credential], Coroutine[Any, Any, Session]], max_sessions: int
    ) -> None:
        self._open_session = open_session
        self._openings: SingleFlight[Session] = SingleFlight(lambda: MCPRequestError(CLOSED))
        self._sessions: LRUCache[Secret, Session] = LRUCache(max_sessions)

    def current(self, credential: Credential) -> Session | None:
        """The session, if it is open: no I/O."""
        return self._sessions.get(credential.secret)

    async def session(self, credential: Credential) -> Session:
        """The open session, or a new one. Raises `MCPRequestError`.

        If the opening of another caller times out, it is tried once more: the server may have recovered since
        that opening began.
        """
        if (session := self.current(credential)) is not None:
            return session
        key = credential.secret
        joins = key in self._openings
        open_session = partial(self._opened, credential)
        try:
            return await self._openings.run(key, open_session)
        except MCPRequestError as error:
            if not (joins and error.timed_out):
                raise
        return await self._openings.run(key, open_session)

    def drop(self, session: Session) -> None:
        """Stops using `session`, which ends when its calls have ended. A newer one of its secret remains."""
        if self._sessions.get(session.secret) is session:
            del self._sessions[session.secret]
        session.retire()

    def retire(self) -> None:
        """Stops using all sessions."""
        while self._sessions:
            self._sessions.popitem()[1].retire()

    async def aclose(self) -> None:
        """Ends all sessions, which no call uses any more; none is opened later."""
        await self._openings.aclose()
        await asyncio.gather(*(session.end() for session in self._sessions.values()))
        self._sessions.clear()

    async def _opened(self, credential: Credential) -> Session:
        session = await self._open_session(credential)
        if len(self._sessions) == self._sessions.maxsize:
            self._sessions.popitem()[1].retire()
        self._sessions[credential.secret] = session
        return session
