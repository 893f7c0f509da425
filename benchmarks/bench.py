"""The servers that rows measure; each starts at its first use and runs until the end of the run."""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from benchmarks.processes import ServerProcess, StartProcess, fork_process, start_process
from benchmarks.report import Plan
from tests.databases.postgres_process import PostgresProcess, postgres_process
from tests.databases.redis_process import RedisProcess, redis_process
from tests.loopback import free_port

USERS: Final = 4000
_LIFETIME: Final = 3600
_PROFILE_SECONDS: Final = 60.0


class SlowModel:
    """Controls `servers.slow_model`. `tls_url` is the base URL of the model's API."""

    def __init__(self, server: ServerProcess, tls_port: int) -> None:
        self.tls_url: Final = f"https://localhost:{tls_port}/v1"
        self._http = httpx.Client(base_url=server.url, trust_env=False)

    def waiting(self) -> int:
        """How many streams wait for their first token."""
        return int(self._http.get("/waiting").raise_for_status().text)

    def delay(self, *, first_token: float) -> None:
        """From now on, requests wait for so many seconds."""
        self._http.put("/delays", json={"first_token": first_token}).raise_for_status()

    def release(self, *, seconds: float) -> None:
        """The streams that wait begin within so many seconds, one after another; all at once, if it is 0."""
        self._http.put("/release", json={"seconds": seconds}).raise_for_status()

    def close(self) -> None:
        """Closes the connection to it."""
        self._http.close()


class ProfiledServer:
    """A server whose calls are counted (`servers.profiled`). `file` has its last profile."""

    def __init__(self, process: ServerProcess, file: Path) -> None:
        self.process: Final = process
        self.file: Final = file

    @contextmanager
    def profile(self) -> Iterator[None]:
        """Counts what the server does within the block."""
        os.kill(self.process.pid, signal.SIGUSR2)
        self._wait(lambda: self.file.exists() and self.file.stat().st_size == 0)
        yield
        os.kill(self.process.pid, signal.SIGUSR2)
        self._wait(lambda: self.file.stat().st_size > 0)

    def _wait(self, has_happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PROFILE_SECONDS
        while not has_happened():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.file.name}: no profile")
            time.sleep(0.01)


class Bench:
    """Starts the servers, and stops them when its `with` block ends. `plan` is how much to measure."""

    def __init__(self, plan: Plan) -> None:
        self.plan: Final = plan
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        self._servers: dict[str, ServerProcess] = {}
        self._users = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def stand_ins(self) -> ServerProcess:
        """The model, the MCP server and the enterprise service (`servers.services`)."""
        return self._server(
            "stand-ins", lambda port: [sys.executable, "-m", "benchmarks.servers.services", str(port)], {}
        )

    @property
    def cloud(self) -> ServerProcess:
        """IDaaS (`servers.cloud`); its URL is plain HTTP and has the control endpoint."""
        arguments = [sys.executable, "-m", "benchmarks.servers.cloud", str(self._folder / "cloud")]
        return self._server(
            "cloud", lambda port: [*arguments, str(port), str(USERS)], {}, path="/__sandbox__/counters"
        )

    def agent(
        self, access_identity: str, *, workers: int = 1, replica: int = 1, **variables: str
    ) -> ServerProcess:
        """`idaas-agent serve` after `/ready` and all late imports. One server for each set of arguments."""
        name = " ".join(["agent", access_identity, str(workers), str(replica), *variables.values()])
        command = [str(Path(sys.executable).with_name("idaas-agent"))]
        command += ["serve", "--workers", str(workers), "--port"]
        environment = self.agent_environment | variables | {"ACCESS_IDENTITY": access_identity}
        started = name not in self._servers
        server = self._server(name, lambda port: [*command, str(port)], environment, path="/ready")
        for _ in range(4 * workers if started and not self.plan.quick else 0):
            # This request triggers the late imports of the worker that handles it.
            httpx.get(f"{server.url}/openapi.json", trust_env=False, timeout=30)
        return server

    @cached_property
    def postgresql(self) -> PostgresProcess:
        """An empty PostgreSQL that syncs its commits to disk."""
        return self._stack.enter_context(postgres_process(fast=self.plan.quick))

    @cached_property
    def redis(self) -> RedisProcess:
        """An empty Redis."""
        (folder := self._folder / "redis").mkdir()
        return self._stack.enter_context(redis_process(folder))

    def replica(self, number: int, *, postgresql: str, redis: str) -> ServerProcess:
        """One of the agents that share both, by their URLs, with limits that no load reaches."""
        return self.agent(
            "Machine",
            replica=number,
            CONVERSATIONS_URL=postgresql,
            REDIS_URL=redis,
            MAX_REQUESTS_PER_MINUTE="1000000",
            MAX_CONCURRENT_RUNS="1000",
        )

    @cached_property
    def tls_model(self) -> SlowModel:
        """The slow model over TLS, with the cloud's certificate."""
        assert self.cloud
        tls_port = free_port()
        files = [str(self._folder / "cloud" / name) for name in ("localhost.pem", "localhost-key.pem")]
        command = [sys.executable, "-m", "benchmarks.servers.slow_model"]
        server = self._server(
            "slow model", lambda port: [*command, str(port), str(tls_port), *files], {}, path="/waiting"
        )
        model = SlowModel(server, tls_port)
        self._stack.callback(model.close)
        return model

    def peer(self, name: str, **variables: str) -> ServerProcess:
        """`benchmarks/peers/<name>.py`, with the agent's variables and a static key."""
        return self.application(f"benchmarks.peers.{name}", **variables)

    def profiled(self, server: str) -> ProfiledServer:
        """`agent`, under Machine identity, or the peer `bare`."""
        file = self._folder / f"{server}.profile"
        command = [sys.executable, "-m", "benchmarks.servers.profiled", server, str(file)]
        environment = self.agent_environment | {"LLM_API_KEY": "static", "ACCESS_IDENTITY": "Machine"}
        path = "/ready" if server == "agent" else "/health"
        process = self._server(f"profiled {server}", lambda port: [*command, str(port)], environment, path)
        return ProfiledServer(process, file)

    def application(self, module: str, **variables: str) -> ServerProcess:
        """The `app()` of a module, run by uvicorn."""
        command = [sys.executable, "-m", "uvicorn", f"{module}:app", "--factory"]
        command += ["--no-access-log", "--log-level", "warning", "--port"]
        environment = self.agent_environment | {"LLM_API_KEY": "static", "ACCESS_IDENTITY": "Machine"}
        name = " ".join([module, *variables.values()])
        return self._server(name, lambda port: [*command, str(port)], environment | variables)

    def stop(self, server: ServerProcess) -> None:
        """Stops a server before the end of the run; the next use starts it again."""
        server.stop()
        self._servers = {name: other for name, other in self._servers.items() if other is not server}

    @cached_property
    def agent_environment(self) -> dict[str, str]:
        """The agent's variables: the cloud's, with the stand-ins in place of the outside services.

        The limits of requests and runs are off, because a load test is one caller without pause.
        """
        stand_ins = self.stand_ins.url
        assert self.cloud
        variables = json.loads((self._folder / "cloud" / "environment.json").read_text())
        left_out = ("LEAVE_", "AUDIT_LOG_")
        return {name: value for name, value in variables.items() if not name.startswith(left_out)} | {
            "LLM_BASE_URL": f"{stand_ins}/v1",
            "EXTERNAL_SERVER_URL": f"{stand_ins}/mcp",
            "ENTERPRISE_SERVICE_URL": f"{stand_ins}/enterprise",
            "MAX_REQUESTS_PER_MINUTE": "0",
            "MAX_CONCURRENT_RUNS": "0",
        }

    def access_token(self, user: str = "alice") -> str:
        """An access token for the agent, valid for an hour."""
        response = self.control("POST", "access-tokens", {"user": user, "lifetime": _LIFETIME})
        token: str = response["access_token"]
        return token

    def new_users(self, number: int) -> list[str]:
        """Access tokens of `number` users that no agent has seen yet."""
        first, self._users = self._users, self._users + number
        return [self.access_token(f"user{index}") for index in range(first, self._users)]

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Sends a request to the sandbox's control endpoint and returns the JSON response."""
        url = f"{self.cloud.url}/__sandbox__/{path}"
        return self._http.request(method, url, json=body).raise_for_status().json()

    def idaas_requests(self) -> dict[str, int]:
        """Counts of requests to IDaaS and its Developer API since the last call."""
        counters = self.control("GET", "counters")
        self.control("DELETE", "counters")
        return {
            name: count for name, count in counters.items() if name.startswith(("idaas:", "developer_api:"))
        }

    @contextmanager
    def realistic_latency(self) -> Iterator[None]:
        """Within the block IDaaS takes 30 ms, MCP 40 ms, the model 300 ms to begin and 10 ms a token."""
        for service in ("idaas.token", "developer_api"):
            self.control("PUT", f"faults/{service}", {"latency": 0.03})
        self._delay(first_token=0.3, token=0.01, mcp=0.04)
        try:
            yield
        finally:
            self.control("DELETE", "faults")
            self._delay(first_token=0.0, token=0.0, mcp=0.0)

    @contextmanager
    def token_delay(self, seconds: float) -> Iterator[None]:
        """Within the block the model takes `seconds` for each token of a stream."""
        self._delay(token=seconds)
        try:
            yield
        finally:
            self._delay(token=0.0)

    def _delay(self, **seconds: float) -> None:
        self._http.put(f"{self.stand_ins.url}/delays", json=seconds).raise_for_status()

    @property
    def start(self) -> StartProcess:
        """How servers start."""
        return fork_process if self.plan.quick else start_process

    @cached_property
    def _http(self) -> httpx.Client:
        return self._stack.enter_context(httpx.Client(trust_env=False))

    def _server(
        self,
        name: str,
        arguments: Callable[[int], list[str]],
        environment: Mapping[str, str],
        path: str = "/health",
    ) -> ServerProcess:
        if name not in self._servers:
            port = free_port()
            log = self._folder / f"{len(self._servers)}-{name.replace('/', '_')}.log"
            server = ServerProcess(arguments(port), environment, port, log, path, self.start)
            self._stack.callback(server.stop)
            server.wait_until_ready()
            self._servers[name] = server
        return self._servers[name]
