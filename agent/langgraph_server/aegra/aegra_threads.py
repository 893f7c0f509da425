"""The threads of Aegra, whose search knows neither ids nor interrupts."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.types import Scope

from agent.langgraph_server.server_threads import ServerThreads


class AegraThreads(ServerThreads):
    """Requests to Aegra, inside of the route guard."""

    async def find(self, scope: Scope, thread_id: str) -> Mapping[str, Any] | None:
        """See `ServerThreads`: `interrupts` are those of the latest state."""
        path = f"/threads/{quote(thread_id, safe='')}"
        status, thread = await self._request(scope, "GET", path)
        if status != 200:
            return None
        status, state = await self._request(scope, "GET", f"{path}/state")
        tasks = state.get("tasks") or [] if status == 200 else []
        interrupts = {task.get("id"): task.get("interrupts") or [] for task in tasks}
        return {"thread_id": thread["thread_id"], "status": thread["status"], "interrupts": interrupts}
