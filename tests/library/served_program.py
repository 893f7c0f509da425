"""The program of `examples/library` on a server of LangGraph's API, and what holds on each such server."""

from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from tests.agent.api.langgraph.langgraph_process import ROOT
from tests.suite import Sandbox

_PROGRAM: Final = "langgraph_dev.py"
MESSAGES: Final = {"messages": [{"role": "user", "content": "How many days?"}]}


class ServedProgram(Protocol):
    """The server."""

    def client(self, token: str) -> LangGraphClient:
        """The SDK's client, with `token`."""


def copied_program(folder: Path) -> str:
    """Copies the program to `folder`. Returns the configuration that it names."""
    source = (ROOT / "examples" / "library" / _PROGRAM).read_text()
    (folder / _PROGRAM).write_text(source)
    return source.partition('"""')[2].partition('"""')[0].partition("\n\n")[2]


async def answer(server: ServedProgram, token: str, **options: Any) -> str:
    """The last message of a run without a thread."""
    state: Any = await server.client(token).runs.wait(None, "agent", input=MESSAGES, **options)
    return str(state["messages"][-1]["content"])


async def acts_for_the_caller_of_each_run(server: ServedProgram, sandbox: Sandbox) -> None:
    assert "days" in await answer(server, sandbox.access_token("alice"))
    assert "permission" in await answer(server, sandbox.access_token("bob"))
    assert "days" in await answer(server, sandbox.access_token("alice"))


async def refuses_invalid_tokens(server: ServedProgram, sandbox: Sandbox, *, lacks_scope: int) -> None:
    """`lacks_scope` is the status for a token without the scope."""
    for token, status in (("no.jwt.there", 401), (sandbox.access_token(scope="other.read"), lacks_scope)):
        with pytest.raises(APIStatusError) as caught:
            await server.client(token).threads.create()
        assert caught.value.status_code == status


async def shows_a_thread_to_its_creator_alone(server: ServedProgram, sandbox: Sandbox) -> None:
    alice, bob = (server.client(sandbox.access_token(user)) for user in ("alice", "bob"))
    thread = (await alice.threads.create())["thread_id"]
    await alice.runs.wait(thread, "agent", input=MESSAGES)
    assert thread in [found["thread_id"] for found in await alice.threads.search()]
    assert thread not in [found["thread_id"] for found in await bob.threads.search()]
    with pytest.raises(APIStatusError) as caught:
        await bob.threads.get_state(thread)
    assert caught.value.status_code == 404


async def refuses_a_token_in_the_context(server: ServedProgram, sandbox: Sandbox) -> None:
    context = {"access_token": sandbox.access_token("alice")}
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        await answer(server, sandbox.access_token("bob"), context=context)
