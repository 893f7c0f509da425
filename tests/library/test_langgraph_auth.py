"""`Identity.langgraph_auth`: an application on `langgraph dev` acts for the caller of each request."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langgraph_sdk.errors import APIStatusError

from tests.agent.api.langgraph.langgraph_process import Server, langgraph_dev
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
def server(running_sandbox: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`langgraph dev` with the program of `examples/library`, and the configuration that it names."""
    running, _ = running_sandbox
    folder = tmp_path_factory.mktemp("langgraph_app")
    config = copied_program(folder)
    authorities = str(running.folder / "ca.pem")
    with langgraph_dev(running, folder, config=config, SSL_CERT_FILE=authorities) as started:
        yield started


@pytest.mark.promise("verified-caller", "users-never-cross")
async def test_run_acts_for_the_caller_of_its_request(sandbox: Sandbox, server: Server) -> None:
    await acts_for_the_caller_of_each_run(server, sandbox)


@pytest.mark.promise("verified-caller")
async def test_request_without_a_valid_token_is_refused(sandbox: Sandbox, server: Server) -> None:
    await refuses_invalid_tokens(server, sandbox, lacks_scope=403)


@pytest.mark.promise("threads-are-private")
async def test_thread_is_its_creators_alone(sandbox: Sandbox, server: Server) -> None:
    await shows_a_thread_to_its_creator_alone(server, sandbox)


@pytest.mark.promise("users-never-cross")
async def test_token_in_the_context_of_a_run_is_refused(sandbox: Sandbox, server: Server) -> None:
    await refuses_a_token_in_the_context(server, sandbox)


@pytest.mark.promise("no-secret-leaves")
async def test_no_token_and_no_credential_is_stored(sandbox: Sandbox, server: Server) -> None:
    token = sandbox.access_token("alice")
    client = server.client(token)
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, "agent", input=MESSAGES)
    shown = [await client.threads.get(thread), await client.threads.get_state(thread)]
    shown += await client.runs.list(thread)
    files = [file for file in server.folder.rglob("*") if file.is_file()]
    assert any(thread.encode() in file.read_bytes() for file in files)
    kept = [(file.name, file.read_bytes().decode("latin-1")) for file in files]
    texts = [("shown", json.dumps(shown, default=str)), *kept]
    assert leaks(secrets_of(sandbox, token), texts) == []  # any token counts, so that of the service, too


async def test_store_and_schedules_are_closed(sandbox: Sandbox, server: Server) -> None:
    client = server.client(sandbox.access_token("alice"))
    with pytest.raises(APIStatusError) as caught:
        await client.store.put_item(("notes",), "key", {"text": "kept"})
    assert caught.value.status_code == 403
