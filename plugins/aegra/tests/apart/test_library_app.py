"""`Identity.langgraph_auth` on Aegra alone: an application acts for the caller of each request."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langgraph_sdk.errors import APIStatusError

from plugins.aegra.tests.apart.aegra_process import ROOT, Aegra, aegra
from plugins.aegra.tests.apart.stored import stored
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess
from tests.security.secrecy.canaries import leaks, secrets_of
from tests.suite import Sandbox

PROGRAM = "langgraph_dev.py"
MESSAGES = {"messages": [{"role": "user", "content": "How many days?"}]}


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
    source = (ROOT / "examples" / "library" / PROGRAM).read_text()
    (folder / PROGRAM).write_text(source)
    config = source.partition('"""')[2].partition('"""')[0].partition("\n\n")[2]
    (folder / "aegra.json").write_text(config)
    variables = {
        "AEGRA_CONFIG": str(folder / "aegra.json"),
        "REDIS_BROKER_ENABLED": "false",
        "SSL_CERT_FILE": str(running.folder / "ca.pem"),
    }
    with aegra(running, folder, aegra_postgres, aegra_redis, variables, live="/live") as started:
        yield started


async def answer(app: Aegra, token: str, **options: Any) -> str:
    """The last message of a run without a thread."""
    state: Any = await app.client(token).runs.wait(None, "agent", input=MESSAGES, **options)
    return str(state["messages"][-1]["content"])


@pytest.mark.promise("verified-caller", "users-never-cross")
async def test_run_acts_for_the_caller_of_its_request(sandbox: Sandbox, app: Aegra) -> None:
    assert "days" in await answer(app, sandbox.access_token("alice"))
    assert "permission" in await answer(app, sandbox.access_token("bob"))
    assert "days" in await answer(app, sandbox.access_token("alice"))


@pytest.mark.promise("verified-caller")
async def test_request_without_a_valid_token_is_refused(sandbox: Sandbox, app: Aegra) -> None:
    for token in ("no.jwt.there", sandbox.access_token(scope="other.read")):
        with pytest.raises(APIStatusError) as caught:
            await app.client(token).threads.create()
        assert caught.value.status_code in (401, 403)


@pytest.mark.promise("threads-are-private")
async def test_thread_is_its_creators_alone(sandbox: Sandbox, app: Aegra) -> None:
    alice, bob = (app.client(sandbox.access_token(user)) for user in ("alice", "bob"))
    thread = (await alice.threads.create())["thread_id"]
    await alice.runs.wait(thread, "agent", input=MESSAGES)
    assert thread in [found["thread_id"] for found in await alice.threads.search()]
    assert thread not in [found["thread_id"] for found in await bob.threads.search()]
    with pytest.raises(APIStatusError) as caught:
        await bob.threads.get_state(thread)
    assert caught.value.status_code == 404


@pytest.mark.promise("users-never-cross")
async def test_token_in_the_context_of_a_run_is_refused(sandbox: Sandbox, app: Aegra) -> None:
    context = {"access_token": sandbox.access_token("alice")}
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        await answer(app, sandbox.access_token("bob"), context=context)


@pytest.mark.promise("no-secret-leaves")
async def test_no_token_and_no_credential_is_stored(sandbox: Sandbox, app: Aegra) -> None:
    token = sandbox.access_token("alice")
    client = app.client(token)
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, "agent", input=MESSAGES)
    texts = list(stored(app))
    assert any(thread in text for _, text in texts)
    assert leaks(secrets_of(sandbox, token), texts) == []  # any token counts, so that of the service, too
