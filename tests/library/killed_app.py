"""An application whose process is killed during a call: `python -m tests.library.killed_app FOLDER STEP`."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.prebuilt import ToolNode

from idaas_agent.library.app_tool import governed_tool
from tests.library.called_app import APPROVE, CalledApp, MemoryIdentity, call, decisions, in_a_graph, results
from tools.approval_policy import Effect, ToolPolicy


async def main(folder: Path, step: str) -> None:
    """Asks, approves the call that kills the process, or goes on after that."""

    def send() -> str:
        """Sends."""
        with (folder / "sent").open("a") as sent:
            sent.write("1\n")
        os.kill(os.getpid(), signal.SIGKILL)
        return "sent"

    identity = MemoryIdentity(f"sqlite:///{folder}/approvals.db")
    node = ToolNode([governed_tool(identity, send, ToolPolicy(Effect.WRITE))])
    async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
        app = CalledApp(identity, in_a_graph(node, saver))
        if step == "ask":
            state = await app.ask(call("send", "call_1"))
        else:
            state = await app.run(decisions(APPROVE))
        await (await identity.parts()).users.aclose()
    sys.stdout.write(json.dumps(results(state)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
