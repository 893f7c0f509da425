"""The open sessions with one MCP server: one for each credential, opened once for all concurrent callers."""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from identity.secrets.secret import Secret
from tools.mcp_service.errors import MCPRequestError
from tools.mcp_service.session import MCPSession

_Opening = asyncio.Task[MCPSession]


class SessionPool:
    """Sessions by the key of their credential. `open_session` opens one, or raises `MCPRequestError`.

    At most `max_sessions` are open; the least recently used one ends when its calls have ended.
    """

    def __init__(
        self, open_session: Callable[[Secret], Coroutine[Any, Any, MCPSession]], max_sessions: int
    ) -> None:
        self._open_session = open_session
        self._max_sessions = max_sessions
        self._openings: OrderedDict[str, _Opening] = OrderedDict()

    def current(self, key: str) -> MCPSession | None:
        """The session, if it is open: no I/O."""
        session = _usable_session(self._openings.get(key))
        if session is not None:
            self._openings.move_to_end(key)
        return session

    async def session(self, key: str, secret: Secret) -> MCPSession:
        """The open session, or a new one. Raises `MCPRequestError`.

        If the opening of another caller times out, it is tried once more: the server may have recovered since
        that opening began.
        """
        joined = (opening := self._openings.get(key)) is not None and not opening.done()
        try:
            return await self._opening(key, secret)
        except MCPRequestError as error:
            if not (joined and error.timed_out):
                raise
        return await self._opening(key, secret)

    def drop(self, key: str, session: MCPSession) -> None:
        """Stops using `session`, which ends when its calls have ended. A newer one of its key remains."""
        opening = self._openings.get(key)
        if opening is not None and opening.done() and _usable_session(opening) in (session, None):
            del self._openings[key]
        session.retire()

    async def aclose(self) -> None:
        """Ends all sessions; calls in flight fail."""
        openings, self._openings = list(self._openings.values()), OrderedDict()
        await asyncio.gather(*map(_close, openings))

    async def _opening(self, key: str, secret: Secret) -> MCPSession:
        opening = self._openings.get(key)
        if opening is None or (opening.done() and _usable_session(opening) is None):
            opening = asyncio.create_task(self._open_session(secret), context=contextvars.Context())
            opening.add_done_callback(_retrieve_exception)
            self._openings[key] = opening
            self._evict()
        self._openings.move_to_end(key)
        return await asyncio.shield(opening)

    def _evict(self) -> None:
        while len(self._openings) > self._max_sessions:
            _, opening = self._openings.popitem(last=False)
            if not opening.done():
                opening.add_done_callback(_retire)
            else:
                _retire(opening)


def _retrieve_exception(opening: _Opening) -> None:
    """Without this, asyncio logs an exception for which no caller waits any more."""
    if not opening.cancelled():
        opening.exception()


def _retire(opening: _Opening) -> None:
    if (session := _usable_session(opening)) is not None:
        session.retire()


async def _close(opening: _Opening) -> None:
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().close()


def _usable_session(opening: _Opening | None) -> MCPSession | None:
    if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
        return None
    session = opening.result()
    return session if session.is_open else None
