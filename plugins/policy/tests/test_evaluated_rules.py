"""`idaas-agent eval` with rules in Cedar: they decide in cases as in the agent."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app

ROOT = Path(__file__).parents[3]
CASES = """
[variables]
CALLER_CLAIMS = "name groups manager"
POLICY_FILE = "policy.cedar"
POLICY_GROUPS = "finance"

[[cases]]
name = "a small expense is submitted"
user = "alice"
questions = ["Submit it"]
model = [{ call = "submit_expense", arguments = { amount = 480.0, reason = "train" } }, "Done."]
responses.expenses = [{ json = { ok = true } }]
expect = { calls = ["expenses.submit_expense"], asked = [] }

[[cases]]
name = "a large one is asked about"
user = "alice"
approves = false
questions = ["Submit it"]
model = [{ call = "submit_expense", arguments = { amount = 4800.0, reason = "train" } }, "Not."]
expect = { calls = [], asked = ["expenses.submit_expense"] }

[[cases]]
name = "only finance pays out"
user = "alice"
questions = ["Pay"]
model = [{ call = "pay_out", arguments = { expense = "E-1" } }, "I may not."]
expect = { calls = [], asked = [] }

[[cases]]
name = "not more than 20000 in a day"
user = "alice"
questions = ["Submit all"]
model = [
  [
    { call = "submit_expense", arguments = { amount = 12000.0, reason = "one" } },
    { call = "submit_expense", arguments = { amount = 12000.0, reason = "two" } },
  ],
  "One of them.",
]
responses.expenses = [{ json = { ok = true } }]
expect = { calls = ["expenses.submit_expense"] }
"""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example of rules, and cases of what it does."""
    for file in (ROOT / "examples" / "policy").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    (tmp_path / "cases.toml").write_text(CASES)
    monkeypatch.chdir(tmp_path.parent)  # files are relative to that of the cases
    return tmp_path


def test_rules_decide_in_cases(company: Path) -> None:
    result = CliRunner().invoke(app, ["eval", str(company / "cases.toml")])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (('"expenses.pay_out"', '"expenses.pay"'), 'policies: 11: there is no tool "expenses.pay"'),
        (('Group::"finance"', 'Group::"fin"'), 'policies: 7: entity `Group::"fin"`'),
    ],
)
def test_rules_that_are_refused_end_the_command(company: Path, change: tuple[str, str], fault: str) -> None:
    rules = company / "policy.cedar"
    rules.write_text(rules.read_text().replace(*change))
    result = CliRunner().invoke(app, ["eval", str(company / "cases.toml")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert fault in " ".join(result.stderr.split())


def test_variables_that_contradict_each_other_end_the_command(company: Path) -> None:
    cases = company / "cases.toml"
    cases.write_text(
        cases.read_text().replace("[variables]", '[variables]\nPOLICY_URL = "https://pdp.example"')
    )
    result = CliRunner().invoke(app, ["eval", str(cases)])
    assert "POLICY_FILE and POLICY_URL must not both be set" in " ".join(result.stderr.split())
