"""`Identity.langgraph_auth` on Aegra alone: an application acts for the caller of each request."""

from collections.abc import Iterator
from typing import Any

import pytest

from plugins.aegra.tests.apart.aegra_process import Aegra, aegra
from plugins.aegra.tests.apart.stored import stored
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess
from tests.library.served_program import (
    MESSAGES,
    acts_for_the_caller_of_each_run,
    copied_program,
    refuses_a_token_in_the_context,
    refuses_invalid_tokens,
    shows_a_thread_to_its_creator_alone,
)
from tests.security.secrecy.canaries import leaks, secrets_of
from tests.suite import Sandbox


@pytest.fixture(scope="module")
def app(
    running_sandbox: Any,
    tmp_path_factory: pytest.TempPathFactory,
    aegra_postgres: PostgresProcess,
    aegra_redis: RedisProcess,
) -> Iterator[Aegra]:
    """The program of `examples/library` on Aegra, whose one process executes its runs itself."""
    running, _ = running_sandbox
    folder = tmp_path_factory.mktemp("library_on_aegra")
    (folder / "aegra.json").write_text(copied_program(folder))
    variables = {
        "AEGRA_CONFIG": str(folder / "aegra.json"),
        "REDIS_BROKER_ENABLED": "false",
        "SSL_CERT_FILE": str(running.folder / "ca.pem"),
    }
    with aegra(running, folder, aegra_postgres, aegra_redis, variables, live="/live") as started:
        yield started


@pytest.mark.promise("verified-caller", "users-never-cross")
async def test_run_acts_for_the_caller_of_its_request(sandbox: Sandbox, app: Aegra) -> None:
    await acts_for_the_caller_of_each_run(app, sandbox)


@pytest.mark.promise("verified-caller")
async def test_request_without_a_valid_token_is_refused(sandbox: Sandbox, app: Aegra) -> None:
    await refuses_invalid_tokens(app, sandbox, lacks_scope=401)


@pytest.mark.promise("threads-are-private")
async def test_thread_is_its_creators_alone(sandbox: Sandbox, app: Aegra) -> None:
    await shows_a_thread_to_its_creator_alone(app, sandbox)


@pytest.mark.promise("users-never-cross")
async def test_token_in_the_context_of_a_run_is_refused(sandbox: Sandbox, app: Aegra) -> None:
    await refuses_a_token_in_the_context(app, sandbox)


@pytest.mark.promise("no-secret-leaves")
async def test_no_token_and_no_credential_is_stored(sandbox: Sandbox, app: Aegra) -> None:
    token = sandbox.access_token("alice")
    client = app.client(token)
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, "agent", input=MESSAGES)
    texts = list(stored(app))
    assert any(thread in text for _, text in texts)
    assert leaks(secrets_of(sandbox, token), texts) == []  # any token counts, so that of the service, too
