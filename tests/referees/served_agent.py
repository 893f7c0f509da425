"""An agent for a referee: the real one, with the sandbox, on free ports of loopback."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.server.server import SandboxOptions, start_sandbox
from tests.agent.conftest import AgentServer, running_agent
from tests.suite import Sandbox


@contextmanager
def served_agent(**variables: str) -> Iterator[AgentServer]:
    """The agent under Human identity, which keeps conversations, without a limit of requests."""
    with tempfile.TemporaryDirectory(prefix="referee-") as name:
        folder = Path(name)
        options = SandboxOptions(
            folder, idaas_port=0, idaas_plain_port=0, model_studio_port=0, function_compute_port=0
        )
        with start_sandbox(options) as running:
            environment = running.environment | {"SSL_CERT_FILE": str(folder / "ca.pem")}
            sandbox = Sandbox(running.cloud, time.time, environment, running.ssl_context, running)
            wanted = {
                "ACCESS_IDENTITY": "Human",
                "CONVERSATIONS_URL": f"sqlite:///{folder}/conversations.db",
                "MAX_REQUESTS_PER_MINUTE": "0",
                "MAX_CONCURRENT_RUNS": "0",
            }
            with running_agent(sandbox, **wanted | variables) as agent:
                yield agent
