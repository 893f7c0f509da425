"""An application whose process is killed: `python -m tests.library.killed_app FOLDER PLACE STEP`.

PLACE is where checkpoints and approvals are kept: `sqlite`, in FOLDER, or the URL of a PostgreSQL. What the
calls returned is written to `results.json` in FOLDER.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.prebuilt import ToolNode

from idaas_agent.library.app_tool import governed_tool
from tests.library.called_app import APPROVE, CalledApp, MemoryIdentity, call, decisions, in_a_graph, results
from tools.approval_policy import Effect, ToolPolicy


def die() -> None:
    """As by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def saver_at(place: str, folder: Path) -> AsyncIterator[Any]:
    """LangGraph's own saver."""
    if place == "sqlite":
        async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
            yield saver
        return
    async with AsyncPostgresSaver.from_conn_string(place) as saver:
        await saver.setup()
        yield saver


async def main(folder: Path, place: str, step: str) -> None:
    """`ask`: is killed while the run waits. `answer`: approves the call. `die`: approves it, and is killed
    during the call. `again`: goes on.
    """

    def send() -> str:
        """Sends."""
        with (folder / "sent").open("a") as sent:
            sent.write("1\n")
        if step == "die":
            die()
        return "sent"

    approvals = f"sqlite:///{folder}/approvals.db" if place == "sqlite" else place
    identity = MemoryIdentity(approvals)
    node = ToolNode([governed_tool(identity, send, ToolPolicy(Effect.WRITE))])
    async with saver_at(place, folder) as saver:
        app = CalledApp(identity, in_a_graph(node, saver), thread=folder.name)
        if step == "ask":
            state = await app.ask(call("send", "call_1"))
            assert "__interrupt__" in state
            die()
        state = await app.run(None if step == "again" else decisions(APPROVE))
        await (await identity.parts()).users.aclose()
    (folder / "results.json").write_text(json.dumps(results(state)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
