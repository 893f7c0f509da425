"""The open sessions with one MCP server: one for each credential, opened once however many wait for it."""

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from identity.secret import Secret
from tools.mcp_service.session import MCPSession
from tools.mcp_service.transport import MCPFailure

_Opening = asyncio.Task[MCPSession]


class MCPSessions:
    """By the key of a credential. At most `most` are kept; the least recently used one ends when its calls
    have ended. `opened` opens one, or raises `MCPFailure`.
    """

    def __init__(self, opened: Callable[[Secret], Coroutine[Any, Any, MCPSession]], most: int) -> None:
        self._opened = opened
        self._most = most
        self._openings: OrderedDict[str, _Opening] = OrderedDict()

    def current(self, key: str) -> MCPSession | None:
        """The session, if it is open: no I/O."""
        session = _usable(self._openings.get(key))
        if session is not None:
            self._openings.move_to_end(key)
        return session

    async def session(self, key: str, secret: Secret) -> MCPSession:
        """The open session, or a new one. Raises `MCPFailure`.

        An opening that was already under way, and to which the server gave no answer, says nothing of the
        server as it is now: after that it is tried once more.
        """
        joined = (opening := self._openings.get(key)) is not None and not opening.done()
        try:
            return await self._opening(key, secret)
        except MCPFailure as failure:
            if not (joined and failure.late):
                raise
        return await self._opening(key, secret)

    def drop(self, key: str, session: MCPSession) -> None:
        """`session` is not used again, and ends when its calls have ended. Another one of its key stays."""
        opening = self._openings.get(key)
        if opening is not None and opening.done() and _usable(opening) in (session, None):
            del self._openings[key]
        session.retire()

    async def aclose(self) -> None:
        """Ends all of them; calls in flight fail."""
        openings, self._openings = list(self._openings.values()), OrderedDict()
        await asyncio.gather(*map(_closed, openings))

    async def _opening(self, key: str, secret: Secret) -> MCPSession:
        opening = self._openings.get(key)
        if opening is None or (opening.done() and _usable(opening) is None):
            opening = asyncio.create_task(self._opened(secret), context=contextvars.Context())
            opening.add_done_callback(_seen)
            self._openings[key] = opening
            self._evict()
        self._openings.move_to_end(key)
        return await asyncio.shield(opening)

    def _evict(self) -> None:
        while len(self._openings) > self._most:
            _, opening = self._openings.popitem(last=False)
            if not opening.done():
                opening.add_done_callback(_retire)
            else:
                _retire(opening)


def _seen(opening: _Opening) -> None:
    """An exception that every waiter has left behind is not worth a line in the log."""
    if not opening.cancelled():
        opening.exception()


def _retire(opening: _Opening) -> None:
    if (session := _usable(opening)) is not None:
        session.retire()


async def _closed(opening: _Opening) -> None:
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().close()


def _usable(opening: _Opening | None) -> MCPSession | None:
    if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
        return None
    session = opening.result()
    return session if session.is_open else None
