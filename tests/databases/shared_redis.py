"""The Redis of tests: one server for each test process, emptied before each test."""

from collections.abc import Iterator

import pytest

from tests.databases.redis_process import RedisProcess, redis_process


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """One server for all tests of a process, which must leave it running."""
    with redis_process(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisProcess) -> RedisProcess:
    """The server without keys."""
    redis_server.empty()
    return redis_server
