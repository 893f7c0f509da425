"""Commands in a shell whose `SSL_CERT_FILE` names a file that does not exist."""

import asyncio

from typer.testing import CliRunner

from agent.commands.command_line import app
from tests.agent.api.threads.served_threads import ThreadsOf

NOTHING_RUNS = "http://127.0.0.1:9"
NO_SUCH_FILE = {"SSL_CERT_FILE": "/nonexistent.pem"}


async def test_question_over_plain_http_needs_no_authorities(threads: ThreadsOf) -> None:
    served = await threads()
    variables = NO_SUCH_FILE | {"IDAAS_AGENT_ACCESS_TOKEN": served.sandbox.access_token()}
    given = ["chat", "--url", served.origin, "How are you?"]
    result = await asyncio.to_thread(CliRunner().invoke, app, given, env=variables)
    assert result.exit_code == 0, result.output
    assert "done" in result.stdout


def test_token_of_the_sandbox_needs_no_authorities(sandbox) -> None:
    given = ["token", "--sandbox-url", sandbox.cloud.addresses.idaas_plain]
    result = CliRunner().invoke(app, given, env=NO_SUCH_FILE)
    assert result.exit_code == 0, result.output


def test_sandboxs_own_commands_need_no_authorities(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    at_nothing = ["--sandbox-url", NOTHING_RUNS]
    added = CliRunner().invoke(app, ["sandbox", "user", "add", "carol", *at_nothing], env=NO_SUCH_FILE)
    assert "applies at the next start" in added.output
    disabled = CliRunner().invoke(app, ["sandbox", "user", "disable", "alice", *at_nothing], env=NO_SUCH_FILE)
    assert "no sandbox runs at" in disabled.output


def test_agent_over_https_needs_them_and_the_fault_names_the_variable() -> None:
    variables = NO_SUCH_FILE | {"IDAAS_AGENT_ACCESS_TOKEN": "token"}
    given = ["chat", "--url", "https://127.0.0.1:9", "How are you?"]
    result = CliRunner().invoke(app, given, env=variables)
    assert result.exit_code == 1
    assert "SSL_CERT_FILE cannot be used: No such file or directory" in result.stderr
