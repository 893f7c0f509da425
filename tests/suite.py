"""The sandbox for tests: one server for each test process, its state reset before each test.

And `serve`, for tests that need a server of their own.
"""

import asyncio
import functools
import gc
import os
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from sandbox.server.server import RunningSandbox, SandboxOptions, start_sandbox
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT_AUDIENCE
from tests.clock import SettableClock

_ONLY_DISTRIBUTES = "PYTEST_XDIST_WORKER" not in os.environ and bool(
    re.search(r" -n ?([1-9]|auto|logical)", " ".join(sys.argv))
)
"""Whether this process gives the tests to others, and needs no fixtures: they take two seconds to import."""
_PLUGINS = Path(__file__).parent.parent / "plugins"
_AS_USERS_DO = "AS_USERS_DO" in os.environ
"""Whether the tests see the libraries as users do: slower by a tenth."""
_FIXTURES = [
    *([] if _AS_USERS_DO else ["tests.remembered"]),
    "tests.agent.api.langgraph.langgraph_process",
    "tests.running_agent",
    "tests.agent.api.threads.served_threads",
    "tests.databases.postgres_server",
    "tests.databases.shared_redis",
    "tests.deploy.shipped",
    *(f"plugins.{file.parts[-3]}.tests.fixtures" for file in sorted(_PLUGINS.glob("*/tests/fixtures.py"))),
]
"""Fixtures that several folders use: `langgraph_server`, `start_agent`."""
pytest_plugins = ["tests.forked_workers"] if _ONLY_DISTRIBUTES else _FIXTURES

gc.disable()  # until everything is collected: `pytest_collection_finish`

# Clients of tests trust no server by default, and need not read all public authorities each time.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("no_server.pem"))
os.environ.pop("SSL_CERT_DIR", None)


class _Loop(uvloop.Loop):
    """Stops when a test's time is over: uvloop only logs what a handler of signals raises, and goes on."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        super().call_exception_handler(context)
        if isinstance(context.get("exception"), pytest.fail.Exception):
            self.stop()


class _EventLoops(uvloop.EventLoopPolicy):
    """Tests and the sandbox run on the event loop of `idaas-agent serve`."""

    def _loop_factory(self) -> uvloop.Loop:
        return _Loop()


asyncio.set_event_loop_policy(_EventLoops())

# No test fails because the machine is busy. Each run generates sixty other examples for a test.
settings.register_profile(
    "untimed", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


_NAMED_ONLY = [
    *(Path(__file__).parent / folder for folder in ("deep_agents", "front_ends/copilotkit", "mcp_referees")),
    *_PLUGINS.glob("*/tests/apart"),
]
"""They need what `make test` does not install: `make aegra-test`, `make deepagents-test`, `make frontends`
and `make mcp-test` name them."""


DAY = re.compile(r"\b20[2-9]\d-(?!07-28|11-25|06-18|03-26)[01]\d-[0-3]\d|\bdate(time)?\(\d")
"""A day of the calendar, and no version of MCP."""
NAMES_A_DATE = re.compile(rf"{DAY.pattern}|\btests\.leave_application\b")
"""In the text of a test: it names a day."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collects such a folder only if an argument names it or something in it. Nothing is skipped.

    With `--dated`, files that name no date are not collected: `make future`.
    """
    is_test = collection_path.match("test_*.py")
    if config.getoption("dated") and is_test and not NAMES_A_DATE.search(collection_path.read_text()):
        return True
    for folder in _NAMED_ONLY:
        if collection_path.is_relative_to(folder) and not any(
            argument.is_relative_to(folder) for argument in _arguments(config)
        ):
            return True
    return None


def _arguments(config: pytest.Config) -> list[Path]:
    """The files and folders that were named."""
    named = (argument.partition("::")[0] for argument in config.args)
    return [(config.invocation_params.dir / name).resolve() for name in named]


_FORKING = (
    "tests/benchmarks/",
    "tests/end_to_end/test_app_graph_replicas",
    "tests/end_to_end/test_approvals_that_last",
    "tests/end_to_end/test_backup",
    "tests/end_to_end/test_replicas",
    "tests/end_to_end/test_shutdown",
    "tests/library/test_stored_approvals",
)
_TYPING = (
    "tests/agent/api/test_elicitation",
    "tests/agent/commands/test_chat",
    "tests/agent/commands/test_command_line",
    "tests/agent/commands/test_installed_commands",
    "tests/agent/commands/test_typed_ahead",
    "tests/agent/http/test_workers",
    "tests/agent/operations/metrics/test_serve_metrics",
    "tests/agent/settings/test_variable_names",
    "tests/graph/test_langgraph_internals",
    "tests/test_examples",
    "tests/test_extending",
    "tests/test_make",
    "tests/test_plugins",
)
"""Tests that fork commands; one process of the suite would be busy with all of them for too long."""
_SHARING = (
    dict.fromkeys(_FORKING, "forks")
    | dict.fromkeys(_TYPING, "commands")
    | {part: part for part in ("langgraph", "tests/frontend/", "tests/front_ends/")}
)
"""By a part of their ids, tests that share forked programs, servers or a browser: one process runs them."""
_LONGEST = (
    *_SHARING,
    "tests/end_to_end/",
    "tests/security/",
    "tests/deploy/",
    "plugins/package/",
    "fuzz",
    "tests/agent/commands/",
    "plugins/smoke/",
    "test_postgres_database",
    "test_connection_limits",
    "test_revocation_over_http",
    "threads/test_replicas",
)
"""What begins first, the longest groups of all and then of the others."""


class ByServer(LoadScopeScheduling):
    """Each file runs in one process, and so do files whose tests share what is slow to start."""

    def _split_scope(self, nodeid: str) -> str:
        shared = next((name for part, name in _SHARING.items() if part in nodeid), None)
        return shared or nodeid.partition("::")[0]


def _tell_results_only(worker: Any) -> None:
    """Of a test that passes, one report goes to the process that counts them, not the begin and end of each
    part: each message wakes it.
    """
    tell = worker.sendevent

    def results(name: str, **content: Any) -> None:
        report = content.get("data", {})
        passed_part = report.get("when") in ("setup", "teardown") and report.get("outcome") == "passed"
        if name not in ("logstart", "logfinish") and not passed_part:
            tell(name, **content)

    worker.sendevent = results


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """`--dist loadfile` is `ByServer`."""
    return ByServer(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: at the end, no process waits for another one."""
    items.sort(key=lambda item: [part not in nodeid for nodeid in (item.nodeid,) for part in _LONGEST])


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "the server that `langgraph_server` is: `dev`, or NAME of the fixture `NAME_server` of a plug-in"
    parser.addoption("--dated", action="store_true", help="only the files of tests that name a date")
    parser.addoption("--langgraph-server", default="dev", help=words)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Thousands of tests are never garbage: collecting among them takes a sixth of the processor time."""
    options = session.config.option
    if not (options.durations or options.verbose > 0 or options.xmlpath):
        for plugin in session.config.pluginmanager.get_plugins():
            if type(plugin).__name__ == "WorkerInteractor":
                _tell_results_only(plugin)
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Garbage is reported now, once: pytest and the interpreter collect again as a process ends."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The running sandbox, as tests use it.

    `clock` stands still unless a test moves it; it starts at the real time, so that code under test may
    read either. `environment` contains the variables of `.sandbox/agent.env`. Everything may be changed
    through `cloud`.
    """

    cloud: Cloud
    clock: SettableClock
    environment: dict[str, str]
    ssl_context: ssl.SSLContext
    running: RunningSandbox

    @property
    def issuer(self) -> str:
        return self.cloud.addresses.issuer

    def url(self, path: str = "/", listener: str = "idaas") -> str:
        """A URL on a listener: `idaas`, `idaas_plain`, `model_studio` or `function_compute`."""
        origin: str = getattr(self.cloud.addresses, listener)
        return origin + path

    def access_token(
        self,
        user: str = "alice",
        *,
        audience: str = AGENT_AUDIENCE,
        permissions: tuple[str, ...] = ("agent.access",),
        lifetime: int | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """An AT_u as if `user` had signed in. Other keywords override claims (`exp=…`); None drops one."""
        return self.cloud.user_token(
            user, audience=audience, permissions=permissions, lifetime=lifetime, header=header, claims=claims
        )


@pytest.fixture(scope="session")
def running_sandbox(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningSandbox, SettableClock]]:
    """The server thread. Tests use `sandbox`."""
    clock = SettableClock()
    options = SandboxOptions(
        folder=tmp_path_factory.mktemp("sandbox"),
        idaas_port=0,
        idaas_plain_port=0,
        model_studio_port=0,
        function_compute_port=0,
        clock=clock,
    )
    with start_sandbox(options) as running:
        yield running, clock


@pytest.fixture
def sandbox(running_sandbox: tuple[RunningSandbox, SettableClock]) -> Sandbox:
    """The sandbox in its first state: counters at 0, no faults, clock at the real time."""
    running, clock = running_sandbox
    clock.reset()
    running.reset()
    Path(running.environment["ACCEPTED_TOOLS_FILE"]).unlink(missing_ok=True)
    # Without the public roots, which every agent would read.
    environment = running.environment | {"SSL_CERT_FILE": str(running.folder / "ca.pem")}
    return Sandbox(running.cloud, clock, environment, _trusting(running), running)


@functools.cache
def _trusting(running: RunningSandbox) -> ssl.SSLContext:
    return running.ssl_context


@asynccontextmanager
async def served(application: Any, **options: Any) -> AsyncIterator[str]:
    # the protocol is named because asyncio sets TCP_NODELAY only then
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    # On a busy machine a client may send as the server closes a connection that was idle for five seconds.
    options = {"timeout_keep_alive": 600, **options}
    config = uvicorn.Config(application, log_config=None, log_level="critical", lifespan="on", **options)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield f"{'https' if config.is_ssl else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # uvicorn's own shutdown waits a tenth of a second, which hundreds of tests would pay.
        for listening in server.servers:
            listening.close()
        listener.close()
        running = list(server.server_state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await server.lifespan.shutdown()


@pytest.fixture(scope="session")
def serving() -> Callable[[Any], AbstractAsyncContextManager[str]]:
    """`async with serving(application) as origin`, for fixtures whose event loop outlives a test."""
    return served


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Serves an application until the test ends, and returns its origin; options are uvicorn's."""
    async with AsyncExitStack() as stack:

        async def start(application: Any, **options: Any) -> str:
            return await stack.enter_async_context(served(application, **options))

        yield start
