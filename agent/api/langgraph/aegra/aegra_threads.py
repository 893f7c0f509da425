"""The threads of Aegra, whose search knows no ids."""

from typing import ClassVar
from urllib.parse import quote

from starlette.types import Scope

from agent.api.langgraph.server_threads import ServerThreads


class AegraThreads(ServerThreads):
    """Requests to Aegra, inside of the route guard."""

    commands: ClassVar[frozenset[str]] = frozenset()

    async def find(self, scope: Scope, thread_id: str) -> str | None:
        """See `ServerThreads`."""
        status, thread = await self._request(scope, "GET", f"/threads/{quote(thread_id, safe='')}")
        return thread["thread_id"] if status == 200 else None
