"""One Aegra for all tests of a process: a server, a worker, PostgreSQL and Redis. See `make aegra-test`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from plugins.aegra.tests.apart.aegra_process import Aegra, aegra
from tests.agent.api.langgraph.langgraph_process import own_parts
from tests.databases.postgres_process import PostgresProcess, postgres_process
from tests.databases.redis_process import RedisProcess, redis_process


@pytest.fixture(scope="session")
def aegra_postgres(request: pytest.FixtureRequest) -> Iterator[PostgresProcess]:
    if request.config.getoption("--langgraph-server") != "aegra":
        pytest.fail("minutes of processes of Aegra need --langgraph-server aegra: make aegra-test")
    with postgres_process(password="postgres-password") as server:
        yield server


@pytest.fixture(scope="session")
def aegra_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def aegra_of(
    running_sandbox: Any,
    tmp_path_factory: pytest.TempPathFactory,
    aegra_postgres: PostgresProcess,
    aegra_redis: RedisProcess,
) -> Callable[[str, bool], AbstractContextManager[Aegra]]:
    """A server in a folder of this name, with or without parts of its own."""
    running, _ = running_sandbox

    def make(name: str, has_own_parts: bool) -> AbstractContextManager[Aegra]:
        folder = tmp_path_factory.mktemp(name)
        variables = own_parts(running, folder) if has_own_parts else {}
        return aegra(running, folder, aegra_postgres, aegra_redis, variables)

    return make


@pytest.fixture(scope="session")
def aegra_server(aegra_of: Callable[[str, bool], AbstractContextManager[Aegra]]) -> Iterator[Aegra]:
    """A server, and one worker."""
    with aegra_of("aegra", True) as started:
        started.start(workers=1)
        yield started


@pytest.fixture(scope="session")
def own_aegra(aegra_of: Callable[[str, bool], AbstractContextManager[Aegra]]) -> Iterator[Aegra]:
    """A server without workers: each test starts its own."""
    with aegra_of("own_aegra", False) as started:
        yield started
