"""What the agent may do for a user: over HTTP for the caller, by a command for an operator."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from graph.approvals.policy import User
from identity.principal import Principal
from plugins.policy.tests.company import FRIDAY, SATURDAY, Company
from plugins.policy.tests.test_agent import publish
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, ArgumentRule, Effect, ToolPolicy
from tools.service import ToolSchema

pytestmark = pytest.mark.promise("rights-are-ones-own")

ALL = '@id("all") permit (principal, action, resource);\n'
LEAVE = """@id("all") permit (principal, action, resource);
@id("days") forbid (principal, action == Action::"leave.leave_apply", resource)
when { context.input.days > 5 };
@id("staff") forbid (principal, action == Action::"leave.leave_balance", resource)
unless { principal in Group::"staff" };
@id("asks") forbid (principal, action == Action::"amap.maps_weather", resource) unless { context.approved };
// end
"""
VARIABLES = {"POLICY_GROUPS": "staff", "CALLER_CLAIMS": "groups name", "ACCESS_IDENTITY": "Human"}


def decisions(rights: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    return {
        f"{service['name']}.{tool['name']}": (tool["decision"], tool["rules"])
        for service in rights["services"]
        for tool in service["tools"]
    }


async def forecast(
    company: Company, tool: str, *groups: str, user: str = "alice", **known: Any
) -> tuple[str, Any]:
    found = await company.policies.forecast(
        "expenses", ToolSchema(tool, "", {}), User(Principal("i", user), {"groups": groups}, **known)
    )
    return type(found).__name__, found


async def test_documented_rules_depend_on_the_arguments_and_deny_what_they_always_deny(
    tmp_path: Path,
) -> None:
    company = Company(tmp_path)
    kind, found = await forecast(company, "submit_expense")
    assert (kind, found.rules) == ("Undetermined", ("ask-above-500", "four-eyes", "daily"))
    assert (await forecast(company, "pay_out", "staff"))[0] == "Deny"
    assert (await forecast(company, "pay_out", "finance"))[0] == "Allow"
    company.now = SATURDAY
    kind, found = await forecast(company, "submit_expense")
    assert (kind, found.rules) == ("Deny", ("weekdays-only",))
    assert (await forecast(company, "list_expenses"))[0] == "Allow"


@pytest.mark.parametrize(
    ("rule", "expected", "seconds"),
    [
        ("unless { context.approved }", "Ask", None),
        ("unless { context has authAge && context.authAge <= 300 }", "Ask", 300),
        ("unless { context has authAge && context.authAge < 300 && context.approved }", "Ask", 299),
        ("when { context has authAge && context.authAge > 99999 }", "Allow", None),
    ],
)
async def test_question_that_every_call_asks_is_known_before_the_call(
    tmp_path: Path, rule: str, expected: str, seconds: int | None
) -> None:
    company = Company(tmp_path, rules=f"{ALL}forbid (principal, action, resource) {rule};\n// end")
    kind, found = await forecast(company, "pay_out", signed_in_at=FRIDAY - 4000)
    assert (kind, getattr(found, "sign_in", None)) == (expected, seconds)


async def test_rule_without_a_permit_for_certain_depends(tmp_path: Path) -> None:
    action = 'action == Action::"expenses.pay_out"'
    rules = f'permit (principal, {action}, resource) when {{ context.input.report == "r" }};'
    company = Company(tmp_path, rules=f"{rules}\n// end")
    assert (await forecast(company, "pay_out"))[0] == "Undetermined"
    assert (await forecast(company, "list_expenses"))[0] == "Deny"


async def test_question_that_a_permit_by_the_arguments_may_spare_depends(tmp_path: Path) -> None:
    spared = 'permit (principal, action == Action::"expenses.submit_expense", resource) when {'
    asks = 'permit (principal, action in Action::"write", resource) when { context.approved };\n'
    small = f'@id("small") {spared} context.input.amount.lessThan(decimal("100.0")) }};'
    company = Company(tmp_path, rules=f"{asks}{small}\n// end")
    kind, found = await forecast(company, "submit_expense")
    assert (kind, found.rules) == ("Undetermined", ("small",))
    assert (await forecast(company, "pay_out"))[0] == "Ask"


PERMITS = (
    'permit (principal, action == Action::"expenses.pay_out", resource) when { context.input.report == "r" };'
)
FINANCE = 'context has approver && context.approver in Group::"finance"'
LARGE = f'@id("large") {PERMITS.replace("permit", "forbid").rstrip(";")} unless {{ {FINANCE} }};'
ANOTHER = "context has approver && context.approver != principal"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (f'{PERMITS}\n@id("never") forbid (principal, action, resource);', ("Deny", ("never",))),
        (
            f"{PERMITS}\nforbid (principal, action, resource) when {{ context.now.minute * {2**62} > 5 }};",
            ("Deny", ()),
        ),
        (
            f"{PERMITS}\nforbid (principal, action, resource) unless {{ context.approved }};",
            ("Undetermined", ("line 1",)),
        ),
        (
            f"{ALL}forbid (principal, action, resource) unless {{ {ANOTHER} }};\n{LARGE}",
            ("Undetermined", ("large",)),
        ),
    ],
)
async def test_tool_is_denied_if_and_only_if_no_argument_could_change_that(
    tmp_path: Path, rules: str, expected: tuple[str, tuple[str, ...]]
) -> None:
    kind, found = await forecast(Company(tmp_path, rules=f"{rules}\n// end"), "pay_out")
    assert (kind, found.rules) == expected


async def test_observed_rules_and_observing_files_change_no_right(tmp_path: Path) -> None:
    denies = "forbid (principal, action, resource);"
    for company in (
        Company(tmp_path, rules=f"{ALL}@observe {denies}\n// end"),
        Company(tmp_path, rules=f"{denies}\n// end", observes=True),
    ):
        assert (await forecast(company, "pay_out"))[0] == "Allow"


async def test_tool_whose_rules_do_not_fit_what_its_server_lists_is_denied(tmp_path: Path) -> None:
    rule = (
        'forbid (principal, action == Action::"maps.weather", resource) when { context.input.city == "x" };'
    )
    company = Company(tmp_path, rules=f"{ALL}{rule}\n// end")
    other = ToolSchema("weather", "", {"type": "object", "properties": {"place": {"type": "string"}}})
    user = User(Principal("i", "alice"), {})
    assert type(await company.policies.forecast("maps", other, user)).__name__ == "Deny"


@pytest.mark.parametrize(
    ("unless", "expected"), [(ANOTHER, ("Undetermined", ("amount > 500",))), ("false", ("Deny", ("line 2",)))]
)
async def test_tool_of_which_some_calls_have_an_approver_is_denied_only_if_that_person_changes_nothing(
    tmp_path: Path, unless: str, expected: tuple[str, tuple[str, ...]]
) -> None:
    rules = (ArgumentRule("amount", ">", 500),)
    policy = ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW, rules, approvers="finance")
    cedar = f"{ALL}forbid (principal, action, resource) unless {{ {unless} }};\n// end"
    kind, found = await forecast(Company(tmp_path, policies={"pay_out": policy}, rules=cedar), "pay_out")
    assert (kind, found.rules) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW), "Allow"),
        (ToolPolicy(Effect.WRITE), "Ask"),
        (
            ToolPolicy(Effect.WRITE, rules=(ArgumentRule("amount", ">", 500, ApprovalMode.DENY),)),
            "Undetermined",
        ),
        (ToolPolicy(Effect.READ, rules=(ArgumentRule("amount", ">", 500),)), "Undetermined"),
        (ToolPolicy(Effect.READ, ApprovalMode.DENY), "Deny"),
    ],
)
async def test_declared_policies_are_known_as_far_as_no_argument_decides(
    tmp_path: Path, policy: ToolPolicy, expected: str
) -> None:
    company = Company(tmp_path, policies={"pay_out": policy}, rules=f"{ALL}// end")
    kind, found = await forecast(company, "pay_out")
    assert kind == expected
    assert found.rules == (
        ("amount > 500",) if kind == "Undetermined" else ("all",) if kind == "Allow" else found.rules
    )


async def served(threads: ThreadsOf, folder: Path, turns: Any = (DONE,), **variables: str) -> Threads:
    file = publish(folder / "policy.cedar", LEAVE)
    started = await threads(turns, POLICY_FILE=str(file), **VARIABLES, **variables)
    for user, groups in {"alice": ["staff"], "bob": []}.items():
        started.tokens[user] = started.sandbox.access_token(
            user, groups=groups, name=user.title(), lifetime=3600
        )
    return started


async def test_each_caller_reads_their_own_rights_and_nothing_is_requested(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    agent = await served(threads, tmp_path, AUDIT_LOG_FILE=str(log), AUDIT_REQUIRED="true")
    before = len(log.read_text().splitlines()) if log.exists() else 0
    found = {
        user: (await agent.ask("GET", "/rights?sub=alice&user=alice", user)).json()
        for user in ("alice", "bob")
    }
    assert {user: each["subject"]["name"] for user, each in found.items()} == {"alice": "Alice", "bob": "Bob"}
    alice, bob = (decisions(found[user]) for user in ("alice", "bob"))
    assert alice["leave.leave_balance"] == ("allow", ["all"])
    assert bob["leave.leave_balance"] == ("deny", ["staff"])
    assert alice["leave.leave_apply"] == ("depends", ["days"])
    assert found["alice"]["policy"]["mode"] == "enforce"
    [leave] = [each for each in found["alice"]["services"] if each["name"] == "leave"]
    assert (leave["access_identity"], leave["listed"]) == ("Human", True)
    [amap] = [each for each in found["alice"]["services"] if each["name"] == "amap"]
    assert (amap["listed"], amap["tools"]) == (False, [])
    lines = [json.loads(line) for line in log.read_text().splitlines()[before:]]
    assert {line["event"] for line in lines} <= {"authentication", "audit_started"}


async def test_tools_of_a_server_are_there_once_it_has_listed_them_and_no_credential_is_renewed_for_it(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    weather = calls(("maps_weather", {"city": "Hangzhou"}))
    agent = await served(threads, tmp_path, [weather, DONE])
    await agent.say("The weather?")
    [amap] = [
        each for each in (await agent.ask("GET", "/rights")).json()["services"] if each["name"] == "amap"
    ]
    [tool] = [each for each in amap["tools"] if each["name"] == "maps_weather"]
    assert (tool["decision"], tool["trust"], tool["approvers"]) == ("ask", "untrusted", None)
    measures, due = agent.agent.broker.measures, 590  # seconds: an API key is read again after ten minutes
    agent.sandbox.clock.advance(due)
    renewed, requested = measures.renewed, measures.requested
    for user in ("alice", "bob"):
        assert (await agent.ask("GET", "/rights", user)).status_code == 200
    assert (measures.renewed, measures.requested) == (renewed, requested)


async def test_operator_reads_the_same_of_any_user(threads: ThreadsOf, tmp_path: Path) -> None:
    agent = await served(threads, tmp_path)
    alice = (await agent.ask("GET", "/rights")).json()
    variables = agent.sandbox.environment | VARIABLES | {"POLICY_FILE": str(tmp_path / "policy.cedar")}
    variables["CONVERSATIONS_URL"] = f"sqlite:///{tmp_path}/conversations.db"

    async def can(*arguments: str) -> Any:
        invoke = partial(CliRunner().invoke, app, ["can", *arguments], env=variables)
        return json.loads((await asyncio.to_thread(invoke)).stdout)

    subject = alice["subject"]["sub"]
    as_alice = await can(subject, "--groups", "staff,others", "--claim", "name=Alice")
    assert {**decisions(as_alice), **decisions(alice)} == decisions(as_alice)
    assert (as_alice["subject"], as_alice["policy"]) == (alice["subject"], alice["policy"])
    assert decisions(await can("mallory"))["leave.leave_balance"] == ("deny", ["staff"])
