"""The agent over HTTP, with the services of a suite and the obedient model; and its users."""

import asyncio
import json
import tomllib
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.http.web_server import listen, web_server
from agent.settings.settings import read_settings
from benchmarks.injections.obedient_model import SYSTEM_PROMPT, ObedientModel
from benchmarks.injections.planned_call import PlannedCall
from sandbox.server.server import SandboxOptions, install, running
from tests.loopback import NO_TLS

_LIFETIME: Final = 6 * 3600
_UNUSED: Final = ("AUDIT_LOG_", "ENTERPRISE_", "EXTERNAL_", "LEAVE_", "LLM_API_KEY_")
"""Variables of the sandbox for what no suite uses."""
_NO_LIMITS: Final = {
    "MAX_REQUESTS_PER_MINUTE": "0",
    "MAX_CONCURRENT_RUNS": "0",
    "MAX_USER_THREADS": "0",
    "MAX_USER_BYTES": "0",
    "MAX_TOOL_ROUNDS": "64",
}
"""The measurement is few users without pause, and a task of AgentDojo has up to twenty calls."""


@dataclass(frozen=True, slots=True)
class AgentUser:
    """A signed-in user of the agent. `subject` is that of their access token."""

    subject: str
    _http: httpx.AsyncClient
    _headers: dict[str, str]

    async def ask(self, question: str, approves: Callable[[PlannedCall], bool]) -> None:
        """One question in a conversation of its own; `approves` is the answer to what the agent asks about.

        Raises `RuntimeError` if the run fails.
        """
        thread = uuid.uuid4().hex
        message = {"id": thread, "role": "user", "content": question}
        end = await self._run(thread, messages=[message])
        while (outcome := end["outcome"])["type"] == "interrupt":
            [interrupt] = outcome["interrupts"]
            about = interrupt["metadata"]["idaas-agent"]
            approved = approves(PlannedCall(about["tool"], about["arguments"]))
            answer = {"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": approved}}
            end = await self._run(thread, resume=[answer])

    async def _run(self, thread: str, **members: Any) -> dict[str, Any]:
        """The last event of a request over AG-UI."""
        body = {"threadId": thread, "runId": uuid.uuid4().hex, "messages": [], **members}
        response = await self._http.post("/ag-ui/agent", json=body, headers=self._headers)
        last = response.text.rstrip().rpartition("data: ")[2]
        end: dict[str, Any] = json.loads(last)
        if response.status_code != 200 or end["type"] != "RUN_FINISHED":
            raise RuntimeError(f"{response.status_code}: {last}")
        return end


@asynccontextmanager
async def agent_under_test(
    folder: Path, services: Path, model: ObedientModel, users: int, **variables: str
) -> AsyncIterator[Sequence[AgentUser]]:
    """The users of an agent with the services file `services`, and further `variables`. `folder` gets all
    that is kept.
    """
    names = [f"user{number}" for number in range(users)]
    configuration = folder / "sandbox.toml"
    configuration.write_text(_sandbox(services, names))
    options = SandboxOptions(
        folder / "sandbox",
        idaas_port=0,
        idaas_plain_port=0,
        model_studio_port=0,
        function_compute_port=0,
        config=configuration,
    )
    installation = install(options)
    async with running(installation):
        environment = _environment(installation.environment, folder, services)
        settings = read_settings(environment | variables)
        agent = Agent(settings, model=model)
        listener = listen("127.0.0.1", 0, "the agent", "nothing")
        server = web_server(create_app(settings, agent), shutdown_seconds=1)
        server.graceful_shutdown = agent.shutdown
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        cloud = installation.cloud
        async with httpx.AsyncClient(base_url=origin, timeout=120, trust_env=False, verify=NO_TLS) as http:
            yield [
                AgentUser(
                    cloud.directory.users[name].subject,
                    http,
                    {"Authorization": f"Bearer {cloud.user_token(name, lifetime=_LIFETIME)}"},
                )
                for name in names
            ]
        server.should_exit = True
        await serving
    installation.close()


def _environment(of_sandbox: dict[str, str], folder: Path, services: Path) -> dict[str, str]:
    """The variables of the agent."""
    prompt = folder / "system-prompt.txt"
    prompt.write_text(SYSTEM_PROMPT)
    key = folder / "model-key"
    key.write_text("no-model-is-asked")
    variables = {name: value for name, value in of_sandbox.items() if not name.startswith(_UNUSED)}
    return (
        variables
        | _NO_LIMITS
        | {
            "ACCESS_IDENTITY": "Human",
            "CONVERSATIONS_URL": f"sqlite:///{folder}/conversations.db",
            "LLM_API_KEY_FILE": str(key),
            "LOG_LEVEL": "error",
            "SERVICES_FILE": str(services),
            "SURFACES": "ag-ui",
            "SYSTEM_PROMPT_FILE": str(prompt),
        }
    )


def _sandbox(services: Path, users: Sequence[str]) -> str:
    """The configuration of the sandbox: users who may use each service, and the agent for them."""
    names = list(tomllib.loads(services.read_text())["services"])
    permissions = [f"{name}|{name}.use" for name in names]
    tables = [f'[services.{name}]\npermissions = ["{name}.use"]\n' for name in names]
    tables += [f"[users.{user}]\npermissions = {json.dumps(permissions)}\n" for user in users]
    tables += [
        f'[[grants]]\nscope = "{permission}"\nto = ["agent"]\naccess_identity = "Human"\n'
        for permission in permissions
    ]
    return "\n".join(tables)
