"""Each command needs the variables that it uses, and no others.

A new command has a row here, or with the tests of its plug-in (`tests/every_command.py`): which variables it
needs, and how it ends with these alone. Commands of the sandbox, and those that talk to a running agent,
need none.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from agent.commands.command_line import app
from tests.every_command import AGENT, AUTHORITIES, CONFIGURATION, Row, rows_of_plugins, typed
from tests.suite import Sandbox

AMAP = (CONFIGURATION, "IDAAS_CLIENT_SECRET", "EXTERNAL_SERVER_API_KEY_IDENTIFIER")
SILENT = "--sandbox-url http://127.0.0.1:1"
RULES = "permit (principal, action, resource);\n// end\n"
CASES = '[[cases]]\nuser = "alice"\ntool = "pay"\nexpect = "ask"\n'
SERVICES = """[services.payments]
type = "http"
url = "https://payments.example"
python = "pay.py:service"
access_token = "https://payments.example|pay"
policies = { pay = { effect = "write" } }
"""
PAYMENTS = '''
def service(payments, settings):
    @payments.tool
    async def pay(http) -> str:
        """Pays."""
        return ""
'''


ROWS = {
    "accept-tools": Row(
        "amap",
        AMAP,
        (AUTHORITIES, "EXTERNAL_SERVER_URL"),
        says="to accept them: idaas-agent accept-tools amap",
    ),
    "audit explain": Row("1 audit.jsonl", status=2, says='no record is about "1"'),
    "audit show": Row("audit.jsonl"),
    "audit verify": Row("audit.jsonl", status=1, says="no line of an audit log"),
    "chat": Row(
        f"Hello --url http://127.0.0.1:1 {SILENT}", status=1, says="no sandbox at http://127.0.0.1:1"
    ),
    "doctor": Row("", AGENT, (AUTHORITIES, "LLM_BASE_URL"), says="ok", status=3),
    "eval": Row("cases.toml", status=1, says="cases.toml: cannot be read"),
    "grants": Row(says="no grant counts now"),
    "new": Row("my-tools", says="next: cd my-tools"),
    "revoke": Row("--user user_alice01", (CONFIGURATION,), says="revoked: "),
    "sandbox client add": Row(f"nightly {SILENT}", says="added to sandbox.toml"),
    "sandbox credential add": Row(f"travel {SILENT}", says="added to sandbox.toml"),
    "sandbox grant": Row(f"leave|leave.read --to agent {SILENT}", says="added to sandbox.toml"),
    "sandbox redirect-uri add": Row(f"http://localhost:1/ {SILENT}", says="added to sandbox.toml"),
    "sandbox service add": Row(f"travel --permission read {SILENT}", says="added to sandbox.toml"),
    "sandbox user add": Row(f"carol {SILENT}", says="added to sandbox.toml"),
    "sandbox user disable": Row(f"alice {SILENT}", status=1, says="127.0.0.1:1"),
    "sandbox user enable": Row(f"alice {SILENT}", status=1, says="127.0.0.1:1"),
    "sandbox user list": Row(status=1, says="no sandbox was started"),
    "serve": Row("--port {port}", AGENT, status=1, says="{port}"),
    "token": Row(SILENT, status=1, says="127.0.0.1:1"),
    "unrevoke": Row("--user user_alice01", (CONFIGURATION,), says="restored: "),
    "up": Row("--agent-port {port}", status=1, says="{port}"),
    **rows_of_plugins(),
}


def commands(name: str, command: Any) -> Iterator[str]:
    """The names of a command's own commands, or its own."""
    if not (children := getattr(command, "commands", {})):
        yield name
    for each, child in children.items():
        yield from commands(f"{name} {each}", child)


def test_each_command_of_the_agent_has_a_row() -> None:
    group: Any = get_command(app)
    every = [
        each for name in group.list_commands(None) for each in commands(name, group.get_command(None, name))
    ]
    assert sorted(every) == sorted(ROWS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files that commands read."""
    monkeypatch.chdir(tmp_path)
    files = {
        "audit.jsonl": "",
        "pay.py": PAYMENTS,
        "services.toml": SERVICES,
        "policy.cedar": RULES,
        "policy.cases.toml": CASES,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def of_row(row: Row, sandbox: Sandbox, folder: Path) -> dict[str, str]:
    """The variables of a row."""
    own = {"POLICY_FILE": str(folder / "policy.cedar"), "SERVICES_FILE": str(folder / "services.toml")}
    return {name: own.get(name) or sandbox.environment[name] for name in (*row.variables, *row.others)}


@pytest.mark.parametrize("name", ROWS)
def test_command_needs_its_own_variables_alone(sandbox: Sandbox, folder: Path, taken: int, name: str) -> None:
    row = ROWS[name]
    words = f"{name} {row.arguments}".format(port=taken)
    status, output = typed(words, folder, of_row(row, sandbox, folder))
    assert (status, row.says.format(port=taken) in output) == (row.status, True), output


@pytest.mark.parametrize(
    ("name", "variable"), [(name, each) for name, row in ROWS.items() for each in row.variables]
)
def test_command_names_the_variable_that_it_lacks(
    sandbox: Sandbox, folder: Path, taken: int, name: str, variable: str
) -> None:
    row = ROWS[name]
    given = of_row(row, sandbox, folder)
    del given[variable]
    status, output = typed(f"{name} {row.arguments}".format(port=taken), folder, given)
    named = "client-config.json" if variable == CONFIGURATION else variable
    assert (status, named in output) == (1, True), output


REVOKES = "revoke --user user_alice01"


@pytest.mark.promise("revoked-refused")
@pytest.mark.parametrize(
    ("words", "variables", "named"),
    [
        (REVOKES, {"REDIS_URL": "redis://127.0.0.1:1"}, "AGENT_AUDIENCE"),
        (REVOKES, {"CONVERSATIONS_URL_FILE": "/nowhere"}, "CONVERSATIONS_URL_FILE"),
        (REVOKES, {"AUDIT_LOG_FILE": "/nowhere/audit.jsonl"}, "AUDIT_LOG_FILE"),
        (REVOKES, {"AUDIT_REQUIRED": "true"}, "AUDIT_LOG_FILE"),
        (REVOKES, {CONFIGURATION: "/nowhere"}, "/nowhere"),
        ("accept-tools amap", {"IDAAS_AGENT_ACCESS_TOKEN": "token"}, "AGENT_AUDIENCE"),
        ("can user_alice01", {"SERVICES_FILE": "/nowhere"}, "SERVICES_FILE"),
        ("grants", {"SERVICES_FILE": "audit.jsonl"}, "SERVICES_FILE"),
        ("grants", {"REDIS_URL": "redis://127.0.0.1:1"}, "AGENT_AUDIENCE"),
        ("policy check", {"POLICY_FILE": "policy.cedar", "POLICY_TIME_ZONE": "Mars"}, "POLICY_TIME_ZONE"),
    ],
)
def test_setting_that_is_used_and_missing_or_invalid_ends_the_command_before_it_changes_anything(
    sandbox: Sandbox, folder: Path, words: str, variables: dict[str, str], named: str
) -> None:
    (folder / "audit.jsonl").write_text("no TOML")
    given = {name: sandbox.environment[name] for name in (*AMAP, AUTHORITIES, "EXTERNAL_SERVER_URL")}
    status, output = typed(words, folder, given | variables)
    assert (status, named in output, "revoked" in output) == (1, True, False), output
    assert "no revocation is in force" in typed("revoke --list", folder, {})[1]


@pytest.mark.parametrize(
    "unused",
    [
        {"LLM_API_KEY_FILE": "/run/secrets/model-key"},
        {"SERVICES_FILE": "/etc/idaas-agent/services.toml"},
        {"ENTERPRISE_SERVICE_URL": "https://svc.example"},
        {"MAX_RUNS": "many"},
    ],
)
def test_setting_that_is_not_used_may_be_missing_or_invalid(
    sandbox: Sandbox, folder: Path, unused: dict[str, str]
) -> None:
    given = {CONFIGURATION: sandbox.environment[CONFIGURATION]} | unused
    assert typed(REVOKES, folder, given)[0] == 0
    assert "user_alice01" in typed("revoke --list", folder, unused)[1]


def test_rules_of_another_file_are_checked_with_the_groups_that_they_name(folder: Path) -> None:
    given = {"POLICY_GROUPS": "finance", "CALLER_CLAIMS": "groups"}
    status, output = typed("policy check --file policy.cedar", folder, given)
    assert (status, "1 rules are valid" in output) == (0, True), output
