"""`idaas-agent policy`, by Typer's runner."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agent.commands.command_line import app
from tests.suite import Sandbox

RULES = """@id("all") permit (principal, action, resource);

@id("short") forbid (principal, action == Action::"leave.leave_apply", resource)
when { context.input.days > 10 } unless { context.approved && context.authAge < 300 };

@id("weekdays") forbid (principal, action in Action::"write", resource)
when { context.now.weekday >= 6 };
// end
"""
RULES = RULES.replace("context.approved && context.authAge", "context has authAge && context.authAge")
SECRECY = "forbid (principal, action, resource) when { context.read.confidential };\n"
CONSENT = (
    'forbid (principal, action == Action::"leave.leave_cancel", resource) unless { context.approved };\n'
)
CASES = """[[cases]]
user = "alice"
tool = "leave_apply"
arguments = { days = 3, first_day = "2026-12-07" }
at = 2026-11-27T10:00:00Z
expect = "ask"

[[cases]]
user = "alice"
tool = "leave.leave_apply"
arguments = { days = 3, first_day = "2026-12-07" }
at = 2026-11-28T10:00:00Z
approved_by = "alice"
expect = "deny"

[[cases]]
name = "long"
user = "alice"
tool = "leave_apply"
arguments = { days = 11, first_day = "2026-12-07" }
at = 2026-11-27T10:00:00Z
signed_in = 600
expect = "sign in"
"""


PAYMENTS = """
def service(payments, settings):
    @payments.tool
    async def pay(http) -> str:
        \"\"\"Pays.\"\"\"
        return ""
"""
SERVICES = """[services.payments]
type = "http"
url = "https://localhost:9445"
python = "pay.py:service"
access_token = "https://enterprise.sandbox.example|service.invoke"
policies = { pay = { effect = "write", policy = "ask", approvers = "finance" } }
"""


class Command:
    """The command with a policy file, in the sandbox's environment."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.file = folder / "policy.cedar"
        self.file.write_text(RULES)
        self.variables = sandbox.environment | {"POLICY_FILE": str(self.file), "COLUMNS": "500"}

    def __call__(self, *arguments: object) -> Result:
        variables: dict[str, Any] = self.variables
        return CliRunner().invoke(app, ["policy", *map(str, arguments)], env=variables)


@pytest.fixture
def policy(sandbox: Sandbox, tmp_path: Path) -> Command:
    return Command(sandbox, tmp_path)


def test_check_names_file_and_line_of_each_fault(policy: Command) -> None:
    assert policy("check").exit_code == 0
    policy.file.write_text(RULES.replace("context.input.days", "context.input.weeks"))
    found = policy("check")
    assert found.exit_code == 1
    assert f"{policy.file}:3: attribute `input.weeks`" in found.output


def test_check_names_what_a_rule_can_never_mean(policy: Command) -> None:
    policy.file.write_text(
        RULES.replace("context.input.days >", "context.input has dayz && context.input.dayz >")
    )
    found = policy("check")
    assert found.exit_code == 1
    assert f'{policy.file}:3: context.input never has "dayz": there are days, first_day' in found.output
    writes = 'forbid (principal, action in Action::"write", resource) when { context.input has dayz };'
    policy.file.write_text(f"{writes}\n// end")  # no tool that the map's server may list writes
    assert f'{policy.file}:1: context.input never has "dayz"' in policy("check").output
    policy.file.write_text(writes.replace("write", "read") + "\n// end")
    found = policy("check")
    assert found.exit_code == 0
    assert f'{policy.file}:1: context.input never has "dayz"' in found.output
    assert "unless a server lists another tool" in found.output


@pytest.mark.parametrize(
    ("member", "named"),
    [
        ('identity = "human"', "identity"),
        ('read = { "leave.leave_balance" = "confidental" }', "read"),
        ('read = { "leaf.leave_balance" = "confidential" }', 'no service "leaf"'),
        ('groups = ["finanse"]', 'no group "finanse"'),
        ("today = { tokens = 5 }", 'no fact of today "tokens"'),
        ('claims = { departement = "x" }', 'no claim "departement"'),
    ],
)
def test_case_with_a_name_or_value_that_no_call_has_is_a_fault(
    policy: Command, member: str, named: str
) -> None:
    policy.file.with_suffix(".cases.toml").write_text(f"{CASES}{member}\n")
    found = policy("test")
    assert found.exit_code == 1
    assert named in found.output


def test_cases_beside_the_file_are_decided_as_the_agent_would(policy: Command) -> None:
    cases = policy.file.with_suffix(".cases.toml")
    cases.write_text(CASES)
    assert policy("test").output == "3 of 3 cases are as expected\n"
    policy.variables["POLICY_TIME_ZONE"] = "Asia/Shanghai"
    cases.write_text(CASES.replace("2026-11-27T10:00:00Z", "2026-11-27T23:00:00"))
    assert policy("test").output == "3 of 3 cases are as expected\n"  # Friday in Shanghai
    cases.write_text(CASES.replace('"sign in"', '"allow"'))
    found = policy("test")
    assert (found.exit_code, found.output) == (
        1,
        "long: expected allow, found sign in\n2 of 3 cases are as expected\n",
    )


def test_case_has_the_tokens_and_the_cost_of_today(policy: Command) -> None:
    policy.variables |= {"COUNT_MODEL_USAGE": "true", "MODEL_PRICES": "qwen-plus=0.8/2"}
    condition = 'context.today.tokens > 999 || context.today.cost.greaterThan(decimal("2.5"))'
    bounded = f"forbid (principal, action, resource) when {{ {condition} }};"
    policy.file.write_text(f"permit (principal, action, resource);\n{bounded}\n// end")
    case = '[[cases]]\nuser = "alice"\ntool = "leave_balance"\ntoday = {{ {} }}\nexpect = "{}"\n'
    expected = {"tokens = 999": "allow", "tokens = 1000": "deny", "cost = 2.6": "deny"}
    cases = policy.file.with_suffix(".cases.toml")
    cases.write_text("".join(case.format(*pair) for pair in expected.items()))
    assert policy("test").output == "3 of 3 cases are as expected\n"
    policy.variables["COUNT_MODEL_USAGE"] = "false"
    assert "`today.tokens`" in policy("check").output


def test_rules_are_tested_without_the_variables_of_a_cloud(tmp_path: Path) -> None:
    (tmp_path / "pay.py").write_text(PAYMENTS)
    (tmp_path / "services.toml").write_text(SERVICES.replace(', approvers = "finance"', ""))
    rules = tmp_path / "policy.cedar"
    rules.write_text("permit (principal, action, resource);\n// end")
    case = '[[cases]]\nuser = "alice"\ntool = "payments.pay"\nexpect = "ask"\n'
    (tmp_path / "policy.cases.toml").write_text(case)
    given = {"SERVICES_FILE": str(tmp_path / "services.toml"), "POLICY_FILE": str(rules), "COLUMNS": "500"}
    for command in (["test"], ["check"], ["explain", "--user", "alice", "--tool", "pay"]):
        found = CliRunner().invoke(app, ["policy", *command], env=given)
        assert found.exit_code == 0, found.output
    wrong = CliRunner().invoke(app, ["policy", "test"], env=given | {"POLICY_TIME_ZONE": "Mars"})
    assert (wrong.exit_code, "POLICY_TIME_ZONE" in wrong.output) == (1, True)


@pytest.mark.parametrize("command", ["check", "test", "explain --user alice --tool leave_apply"])
def test_missing_extra_is_named(policy: Command, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setitem(sys.modules, "cedarpy", None)  # as if it were not installed
    found = policy(*command.split())
    assert (found.exit_code, "needs idaas-agent[policy]" in found.output) == (1, True), found.output


@pytest.mark.promise("another-decides", "confidential-data-stays")
def test_case_has_the_declared_approvers_and_what_had_been_read(policy: Command, tmp_path: Path) -> None:
    (tmp_path / "pay.py").write_text(PAYMENTS)
    (tmp_path / "services.toml").write_text(SERVICES)
    policy.variables |= {"SERVICES_FILE": str(tmp_path / "services.toml")}
    policy.file.write_text(f"{SECRECY}{RULES}")
    first = CASES.partition("tool =")[0] + 'tool = "pay"\nat = 2026-11-27T10:00:00Z\n'
    expected = {
        "": "ask finance",
        'approved_by = "alice"': "deny",
        'approved_by = "fay"\napprover_groups = ["finance"]': "allow",
        'read = { "payments.pay" = "confidential" }': "deny",
    }
    cases = [f'{first}{member}\nexpect = "{found}"\n' for member, found in expected.items()]
    policy.file.with_suffix(".cases.toml").write_text("".join(cases))
    assert policy("test").output == "4 of 4 cases are as expected\n"

    by_manager = SERVICES.replace('"finance"', '"claim:manager"')
    (tmp_path / "services.toml").write_text(by_manager)
    policy.variables["CALLER_CLAIMS"] = "manager"
    call = ["explain", "--user", "alice", "--tool", "pay", "--at", "2026-11-27T10:00:00Z"]
    assert policy(*call, "--claim", "manager=mo").output.startswith("ask sub:mo: payments.pay for alice")
    assert "the access token does not say who" in policy(*call).output.splitlines()[-1]


def test_explain_shows_each_rule_with_its_line_and_what_would_change_the_decision(policy: Command) -> None:
    arguments = json.dumps({"days": 11, "first_day": "2026-12-07"})
    call = ["--user", "alice", "--tool", "leave_apply", "--args", arguments, "--at", "2026-11-28T10:00:00Z"]
    found = policy("explain", *call, "--signed-in", 100)
    assert found.output.splitlines() == [
        "deny: leave.leave_apply for alice as Human",
        "the declared policy asks",
        f"{policy.file}:1: permit all: in scope",
        f"{policy.file}:3: forbid short: in scope, when true, unless true",
        f"{policy.file}:6: forbid weekdays: in scope, when true",
        "decided by weekdays",
        "no approval and no sign-in would change that",
    ]
    found = policy("explain", *call[:-1], "2026-11-27T10:00:00Z")
    assert found.output.startswith("deny: leave.leave_apply for alice as Human\n")
    assert "the user's access token does not say when they signed in" in found.output.splitlines()[-1]


def test_replay_compares_the_calls_of_an_audit_log_and_names_what_it_cannot_know(
    policy: Command, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    call = {"event": "tool_call", "outcome": "started", "service": "leave", "principal": {"sub": "alice"}}
    call |= {
        "access_identity": "Human",
        "approval": "a" * 32,
        "time": "2026-11-28T10:00:00.000Z",
        "policy": "d",
    }
    friday = call | {"time": "2026-11-27T10:00:00.000Z"}
    records = [call | {"tool": "leave_apply"}, call | {"tool": "leave_apply", "outcome": "succeeded"}]
    records += [friday | {"tool": tool} for tool in ("leave_apply", "leave_cancel")]
    policy.file.write_text(SECRECY + RULES.replace("// end", f"{CONSENT}// end"))
    records += [friday | {"tool": "leave_cancel", "outcome": "refused"}]
    records += [friday | {"tool": "leave_cancel", "read": ["payroll.payslip: confidential, untrusted"]}]
    log.write_text("".join(f"{json.dumps(each | {'call_id': str(n)})}\n" for n, each in enumerate(records)))
    assert [line.strip() for line in policy("replay", "--audit", log).output.splitlines()] == [
        "1  leave.leave_apply: made, now as the rules of lines 4 decide",
        "1  leave.leave_apply: made, now deny",
        "1  leave.leave_cancel: made, now allow",
        "1  leave.leave_cancel: made, now deny",
        "1  leave.leave_cancel: refused, now ask",
    ]
    asks = 'permit (principal, action in Action::"write", resource) when { context.approved };'
    small = (
        'permit (principal, action == Action::"leave.leave_apply", resource) when { context.input.days < 2 };'
    )
    policy.file.write_text(f"{asks}\n{small}\n// end\n")
    log.write_text(json.dumps(records[0] | {"approval": None}))
    found = policy("replay", "--audit", log).output.strip()
    assert found == "1  leave.leave_apply: made, now as the rules of lines 2 decide"


def test_replay_counts_a_call_once_and_as_approved_only_if_a_rule_refused_it_then(
    policy: Command, tmp_path: Path
) -> None:
    policy.file.write_text(f'@id("all") permit (principal, action, resource);\n@id("asks") {CONSENT}// end\n')
    about = {"service": "leave", "tool": "leave_cancel", "principal": {"sub": "alice"}, "policy": "d"}
    about |= {"access_identity": "Human", "time": "2026-11-28T10:00:00.000Z", "rules": ["asks"]}

    def of(call_id: str, event: str, outcome: str, **members: Any) -> dict[str, Any]:
        return about | {"call_id": call_id, "event": event, "outcome": outcome, "approval": call_id} | members

    records = [of(each, "approval_decided", "succeeded") for each in ("denied", "expired")]
    records += [
        of("denied", "tool_call", "refused", rules=["weekdays"]),
        of("expired", "tool_call", "refused"),
    ]
    records += [of("other", "tool_call", "refused", approval="denied", rules=["grant"])]
    records += [of("fault", "tool_call", "refused", approval=None, policy=None, rules=None)]
    records += [
        of("asked", "tool_call", outcome, arguments_digest="1") for outcome in ("started", "succeeded")
    ]
    records += [of("asked", "approval_requested", "succeeded", approval="question", arguments_digest="2")]
    records += [of("asked", "tool_call", "refused", approval="question", arguments_digest="1")]
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert [line.strip() for line in policy("replay", "--audit", log).output.splitlines()] == [
        "1  leave.leave_cancel: made, now allow",
        "1  leave.leave_cancel: refused, now allow",
        "2  leave.leave_cancel: refused, now ask",
        "1  leave.leave_cancel: refused otherwise, now ask",
    ]
