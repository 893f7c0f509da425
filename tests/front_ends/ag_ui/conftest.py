"""An agent, and the official client that drives it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.agent.conftest import AgentServer, running_agent
from tests.front_ends.node_script import NodeScript
from tests.leave_application import FIRST_DAY, LATER_DAY
from tests.suite import Sandbox

CLIENTS = ("1.0.0", "0.0.59")


@dataclass
class Drive:
    """`await drive(*runs)`: what the runs of one `HttpAgent` gave, one after another, for each client.

    A run is `runAgent`'s parameters, with `messages` that are added before it, and `abortAt`, the type of
    the event at which it is aborted.
    """

    server: AgentServer
    script: NodeScript
    path: str = "/ag-ui/agent"

    @property
    def sandbox(self) -> Sandbox:
        return self.server.sandbox

    async def __call__(
        self, *runs: dict[str, Any], user: str = "alice", token: str | None = None, thread: str = "thread"
    ) -> list[list[dict[str, Any]]]:
        given = await self.script(
            clients=CLIENTS,
            url=self.server.url + self.path,
            token=self.sandbox.access_token(user) if token is None else token,
            threadId=thread,
            days=[FIRST_DAY, LATER_DAY],
            runs=list(runs),
        )
        assert given["warnings"] == []
        driven: list[list[dict[str, Any]]] = given["driven"]
        assert [results[0]["client"] for results in driven] == list(CLIENTS)
        return driven


def message(text: str, identifier: str = "u1") -> dict[str, Any]:
    """A message of the user."""
    return {"id": identifier, "role": "user", "content": text}


def roles(result: dict[str, Any]) -> list[str]:
    """The roles of the client's messages after a run."""
    return [each["role"] for each in result["messages"]]


def text_of(events: list[dict[str, Any]]) -> str:
    """All text of a run."""
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


@pytest.fixture
def variables() -> dict[str, str]:
    """Variables of the agent; a test replaces them."""
    return {"CONVERSATIONS_URL": "none"}


@pytest.fixture
def server(sandbox: Sandbox, variables: dict[str, str]) -> Iterator[AgentServer]:
    with running_agent(sandbox, ACCESS_IDENTITY="Human", **variables) as server:
        yield server


@pytest.fixture(scope="session")
def http_agent() -> Iterator[NodeScript]:
    """Tests use `drive`."""
    with NodeScript("ag_ui/http_agent.js") as script:
        yield script


@pytest.fixture
def drive(server: AgentServer, http_agent: NodeScript) -> Drive:
    """The official clients."""
    return Drive(server, http_agent)
