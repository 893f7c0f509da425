"""`idaas-agent audit usage`: a row for each user, by the audit log; and the variables of budgets."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.settings.settings import read_command_settings
from identity.errors import ConfigurationError
from plugins.budgets.variables import BudgetVariables
from tests.every_command import typed


def line(sub: str | None, time: str, event: str = "model_call", **members: Any) -> str:
    principal = None if sub is None else {"iss": "https://idaas.example", "sub": sub}
    return json.dumps(
        {"time": time, "event": event, "outcome": "succeeded", "principal": principal} | members
    )


LINES = [
    line("alice", "2026-11-25T09:00:00.000Z", model="qwen-plus", input_tokens=1000, output_tokens=10),
    line("alice", "2026-11-25T10:00:00.000Z", model="qwen-max", input_tokens=500_000, output_tokens=100_000),
    line("bob", "2026-11-25T10:00:00.000Z", model="qwen-plus", input_tokens=None, output_tokens=None),
    line("bob", "2026-11-25T10:00:00.000Z", event="tool_call"),
    line(None, "2026-11-25T10:00:00.000Z", model="qwen-plus", input_tokens=7, output_tokens=7),
    "no record",
]


def output_of(folder: Path, options: str = "", **variables: str) -> str:
    (folder / "audit.jsonl").write_text("\n".join(LINES) + "\n")
    status, output = typed(f"audit usage {folder / 'audit.jsonl'} {options}", folder, variables)
    assert status == 0, output
    return output


def test_row_of_each_user_has_tokens_and_cost_of_the_files(tmp_path: Path) -> None:
    output = output_of(tmp_path, MODEL_PRICES="qwen-plus=0.8/2,qwen-max=2.4/9.6")
    assert output.splitlines() == [
        "alice  2 responses  501,000 in  100,010 out  cost 2.16082",
        "bob  1 responses  0 in  0 out  cost 0",
    ]


def test_rows_are_of_records_since_a_time_and_without_prices_they_have_no_cost(tmp_path: Path) -> None:
    rows = output_of(tmp_path, "--json --since 2026-11-25T09:30:00Z").splitlines()
    assert [json.loads(row) for row in rows] == [
        {"user": "alice", "responses": 1, "input_tokens": 500_000, "output_tokens": 100_000, "cost": None},
        {"user": "bob", "responses": 1, "input_tokens": 0, "output_tokens": 0, "cost": None},
    ]


def test_time_that_cannot_be_read_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").write_text("")
    status, output = typed(f"audit usage {tmp_path / 'audit.jsonl'} --since yesterday", tmp_path, {})
    assert (status, "--since must be a time" in output) == (2, True)


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"max_tokens_for_user_a_day": "5"}, []),
        ({"max_cost_for_user_a_day": "5", "model_prices": "a=1/2"}, []),
        ({"max_cost_for_user_a_day": "5"}, ["MAX_COST_FOR_USER_A_DAY needs MODEL_PRICES"]),
        (
            {"max_tokens_for_user_a_day": "5", "conversations_url": "none"},
            ["MAX_TOKENS_FOR_USER_A_DAY needs stored conversations: CONVERSATIONS_URL must not be none"],
        ),
        (
            {"count_model_usage": "true", "conversations_url": "none"},
            ["COUNT_MODEL_USAGE needs stored conversations: CONVERSATIONS_URL must not be none"],
        ),
        ({"count_model_usage": "false", "conversations_url": "none"}, []),
        ({"max_tokens_for_group_a_day": "a=5", "caller_claims": "groups"}, []),
        (
            {"max_tokens_for_group_a_day": "a=5", "caller_claims": "client_id"},
            ["MAX_TOKENS_FOR_GROUP_A_DAY needs CALLER_CLAIMS to name groups, the claim that has the groups"],
        ),
        ({"max_tokens_for_client_a_day": "a=5", "caller_claims": "azp groups"}, []),
        (
            {"max_tokens_for_client_a_day": "a=5"},
            ["MAX_TOKENS_FOR_CLIENT_A_DAY needs CALLER_CLAIMS to name client_id or azp"],
        ),
    ],
)
def test_variables_that_cannot_work_together_are_faults(given: dict[str, str], faults: list[str]) -> None:
    assert list(BudgetVariables.combination_faults(given)) == faults


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS_FOR_USER_A_DAY", "0"),
        ("MAX_COST_FOR_USER_A_DAY", "-1"),
        ("MAX_COST_FOR_USER_A_DAY", "NaN"),
        ("MODEL_PRICES", "free"),
        ("MAX_TOKENS_FOR_GROUP_A_DAY", "finance"),
        ("MAX_TOKENS_FOR_GROUP_A_DAY", "finance=1,finance=2"),
        ("MAX_TOKENS_FOR_CLIENT_A_DAY", "page=0.5"),
        ("MAX_COST_FOR_CLIENT_A_DAY", "page=0"),
    ],
)
def test_variable_of_another_form_is_named(name: str, value: str) -> None:
    def read() -> object:
        settings = read_command_settings({"MODEL_PRICES": "a=1/2", name: value})
        return getattr(settings.of(BudgetVariables), name.lower())

    with pytest.raises(ConfigurationError, match=name):
        read()
