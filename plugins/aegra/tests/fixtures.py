"""One Aegra for all tests of a process: a server, a worker, PostgreSQL and Redis. See `make aegra-test`."""

from collections.abc import Iterator
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
def aegra_server(
    running_sandbox: Any,
    tmp_path_factory: pytest.TempPathFactory,
    aegra_postgres: PostgresProcess,
    aegra_redis: RedisProcess,
) -> Iterator[Aegra]:
    """A server, and one worker."""
    running, _ = running_sandbox
    folder = tmp_path_factory.mktemp("aegra")
    variables = own_parts(running, folder)
    with aegra(running, folder, aegra_postgres, aegra_redis, variables) as started:
        started.start(workers=1)
        yield started


@pytest.fixture(scope="session")
def own_aegra(
    running_sandbox: Any,
    tmp_path_factory: pytest.TempPathFactory,
    aegra_postgres: PostgresProcess,
    aegra_redis: RedisProcess,
) -> Iterator[Aegra]:
    """A server without workers: each test starts its own."""
    running, _ = running_sandbox
    folder = tmp_path_factory.mktemp("own_aegra")
    with aegra(running, folder, aegra_postgres, aegra_redis, {}) as started:
        yield started
