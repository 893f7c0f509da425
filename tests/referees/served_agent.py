"""An agent for a referee: the real one, with the sandbox, on free ports of loopback."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from graph.models.provider import ChatModelProvider
from sandbox.server.server import SandboxOptions, start_sandbox
from tests.agent.conftest import AgentServer, running_agent
from tests.referees.signed_in import SignedIn
from tests.suite import Sandbox


@contextmanager
def referee_sandbox() -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox of its own with the true time, and a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="referee-") as name:
        folder = Path(name)
        options = SandboxOptions(
            folder, idaas_port=0, idaas_plain_port=0, model_studio_port=0, function_compute_port=0
        )
        with start_sandbox(options) as running:
            environment = running.environment | {"SSL_CERT_FILE": str(folder / "ca.pem")}
            yield Sandbox(running.cloud, time.time, environment, running.ssl_context, running), folder


@contextmanager
def served_agent(
    model: BaseChatModel | None = None, *, signs_in: bool = False, **variables: str
) -> Iterator[AgentServer]:
    """The agent under Human identity, which keeps conversations, without a limit of requests. With
    `signs_in`, a request without a token is one of Alice's: for suites that send none.
    """
    with referee_sandbox() as (sandbox, folder):
        wanted = {
            "ACCESS_IDENTITY": "Human",
            "CONVERSATIONS_URL": f"sqlite:///{folder}/conversations.db",
            "MAX_REQUESTS_PER_MINUTE": "0",
            "MAX_CONCURRENT_RUNS": "0",
        }

        def around(app: Any) -> Any:
            return _without_slash(SignedIn(app, sandbox.access_token)) if signs_in else app

        provider = None if model is None else ChatModelProvider(model)
        with running_agent(sandbox, provider, around, **wanted | variables) as agent:
            yield agent


def _without_slash(app: Any) -> Any:
    """A2A's kit adds a slash to the address that the card has."""

    async def without_slash(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/a2a/":
            scope = scope | {"path": "/a2a"}
        await app(scope, receive, send)

    return without_slash
