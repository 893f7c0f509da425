"""`idaas-agent eval`: the cases of docs/evaluate.md, what is a failure, and what is a fault of the file."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.commands.evaluate.cases import CaseFaultsError, read_cases
from agent.commands.evaluate.evaluation import Evaluation, needs_model
from idaas_agent.testing import ScriptedModel, call
from identity.secrets.secret import Secret

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "evaluate.md").read_text("utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the example, whose cases are changed."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("payroll.py", "my_graph.py", "services.toml", "cases.toml"):
        shutil.copy(ROOT / "examples" / "my_agent" / name, folder)
    monkeypatch.chdir(folder)
    return folder


def test_page_shows_the_cases_of_the_example_and_the_report_that_they_give(project: Path) -> None:
    [shown] = re.findall(r"<!-- examples/my_agent/cases.toml -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
    assert shown == (project / "cases.toml").read_text("utf-8")
    [report] = re.findall(r"\$ idaas-agent eval cases.toml\n(.*?)```", PAGE, re.DOTALL)
    result = CliRunner().invoke(app, ["eval", "cases.toml"])
    assert (result.exit_code, result.stdout) == (0, report)


def test_case_that_does_something_else_fails_and_the_report_says_what_differs(project: Path) -> None:
    file = project / "cases.toml"
    text = file.read_text().replace('rights = ["carol"]', 'rights = ["agent"], max_model_requests = 1')
    text = text.replace("approves = false", "approves = true").replace(
        'answer = ["8,000"]', 'answer = ["9,000"]'
    )
    file.write_text(text.replace('not_in_answer = ["80,000"]', 'not_in_answer = ["salary"]'))
    result = CliRunner().invoke(app, ["eval", "cases.toml", "--json"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    payslip, reported, others = report["cases"]
    assert payslip["faults"] == [
        "rights: expected agent, found carol",
        "the answer lacks '9,000'",
        "model requests: expected at most 1, found 2",
    ]
    assert reported["calls"] == ["payroll.report_error"]
    assert reported["faults"][0].startswith("calls: expected none, found payroll.report_error")
    assert others["faults"] == ["the answer has 'salary'"]
    assert report["totals"] | {"tokens_read": 0} == {
        "cases": 3,
        "failed": 3,
        "calls": 2,
        "rights": {"carol": 1, "user": 1},
        "asked": 1,
        "model_requests": 4,
        "tokens_read": 0,
        "tokens_written": 0,
    }


async def test_answers_of_a_real_model_are_recorded_with_its_own_key_and_tokens_are_counted(
    project: Path,
) -> None:
    (project / "cases.toml").write_text(
        """
        recorded = "answers.json"
        [[cases]]
        name = "recorded"
        questions = ["My payslip?"]
        responses.payroll = [{ json = { net = 1 } }]
        expect = { calls = ["payroll.payslip"], answer = ["one"], max_tokens = 29 }
        """
    )
    keys: list[str] = []

    class Metered(ScriptedModel):
        async def complete(self, *given, api_key, **options):
            keys.append(api_key.reveal())
            message = await super().complete(*given, **options)
            return message.model_copy(
                update={"usage_metadata": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}}
            )

    cases = read_cases(project / "cases.toml")
    assert not needs_model(cases)
    model = Metered(call("payslip", month="2026-10"), "one")
    [case] = cases.cases
    first = await Evaluation(cases, project, model, Secret("real-key")).run(case)
    again = await Evaluation(cases, project).run(case)
    assert (first, keys) == (again, ["real-key", "real-key"])
    assert (first.tokens_read, first.tokens_written, first.calls) == (20, 10, ("payroll.payslip",))
    assert first.faults == ("tokens: expected at most 29, found 30",)
    assert "real-key" not in (project / "answers.json").read_text()


async def test_run_that_fails_is_a_failed_case(project: Path) -> None:
    (project / "cases.toml").write_text(
        """
        [[cases]]
        name = "nothing is recorded"
        questions = ["My payslip?"]
        expect = {}
        """
    )
    cases = read_cases(project / "cases.toml")
    assert needs_model(cases)
    outcome = await Evaluation(cases, project).run(cases.cases[0])
    assert outcome.faults[0].startswith("the run failed: AssertionError: the model, after 'My payslip?'")


def test_all_faults_of_the_file_are_named_before_a_case_runs(project: Path) -> None:
    file = project / "cases.toml"
    file.write_text(
        """
        service = "services.toml"
        [[cases]]
        name = "a"
        questions = []
        expect = { call = ["payroll.payslip"] }
        [[cases]]
        name = "b"
        questions = ["?"]
        responses.payroll = [{ json = 1, text = "1" }]
        """
    )
    result = CliRunner().invoke(app, ["eval", "cases.toml"])
    assert result.exit_code == 1
    for fault in (
        "cases.toml: cases[0].questions: list should have at least 1 item",
        "cases.toml: cases[0].expect.call is unknown",
        "cases.toml: cases[1].responses.payroll[0]: must have json or text, not both",
        "cases.toml: cases[1].expect must be set",
        "cases.toml: service is unknown",
    ):
        assert fault in result.output, result.output
    file.write_text(
        """
        [[cases]]
        name = "a"
        questions = ["?"]
        responses.travel = []
        expect = { calls = ["payroll.payslips"] }
        """
    )
    with pytest.raises(CaseFaultsError) as caught:
        Evaluation(read_cases(file), project)
    assert caught.value.faults == (
        "case \"a\": responses: there is no service 'travel'",
        "case \"a\": expect: there is no tool 'payroll.payslips'",
    )


def test_own_code_that_cannot_be_loaded_is_a_fault_with_its_text(project: Path) -> None:
    (project / "payroll.py").write_text("def service(payroll, settings):\n    raise KeyError('currency')\n")
    result = CliRunner().invoke(app, ["eval", "cases.toml"])
    assert (result.exit_code, "services.toml: KeyError: 'currency'" in result.output) == (1, True)
    (project / "my_graph.py").unlink()
    result = CliRunner().invoke(app, ["eval", "cases.toml"])
    assert (result.exit_code, "graph: FileNotFoundError" in result.output) == (1, True)


def test_recording_needs_a_file_for_the_answers(project: Path) -> None:
    result = CliRunner().invoke(app, ["eval", "cases.toml", "--record"])
    assert (result.exit_code, "names no file of recorded answers" in result.output) == (1, True)


SERVER = """
[services.maps]
type = "mcp"
url = "https://maps.example.com/mcp"
access_token = "https://maps.example.com|maps.use"
access_identity = "{identity}"
prefix = "maps_"
tools = ["weather", "mark"]
policies = { weather = { effect = "read" }, mark = { effect = "write" } }
"""
LISTED = {
    "tools": [
        {"name": name, "description": name, "inputSchema": {"type": "object", "required": ["city"]}}
        for name in ("weather", "mark", "hidden")
    ]
}
SERVER_CASES = """
listed.maps = "maps.json"
[[cases]]
name = "weather"
questions = ["Weather?"]
model = [{ call = "maps_weather", arguments = { city = "Hangzhou" } }, "Sunny."]
responses.maps = [{ json = { sky = "sunny" } }]
expect = { calls = ["maps.maps_weather"], rights = ["RIGHTS"], asked = [] }
[[cases]]
name = "a mark is set only if the user agrees"
approves = false
questions = ["Mark it"]
model = [{ call = "maps_mark", arguments = { city = "Hangzhou" } }, "Not marked."]
expect = { calls = [], asked = ["maps.maps_mark"] }
[[cases]]
name = "an error of the tool, and a server that fails"
questions = ["Weather?", "Again?"]
model = [
  { call = "maps_weather", arguments = { city = "X" } }, "a",
  { call = "maps_weather", arguments = { city = "X" } }, "b",
]
responses.maps = [{ text = "no such city", is_error = true }, { status = 503 }]
expect = { calls = ["maps.maps_weather", "maps.maps_weather"] }
[[cases]]
name = "a tool that the file does not choose is not called"
questions = ["Weather?"]
model = [[{ call = "maps_hidden", arguments = { city = "X" } }, { call = "maps_weather" }], "c"]
expect = { calls = ["maps.maps_weather"], answer = ["c"] }
"""


@pytest.mark.parametrize(("identity", "rights"), [("Human", "user"), ("Machine", "agent")])
def test_tools_of_an_mcp_server_are_those_of_a_file(project: Path, identity: str, rights: str) -> None:
    (project / "services.toml").write_text(SERVER.replace("{identity}", identity))
    (project / "maps.json").write_text(json.dumps(LISTED))
    cases = SERVER_CASES.replace("RIGHTS", rights)
    if identity == "Machine":  # then a write is denied, and nobody is asked
        cases = cases.replace('asked = ["maps.maps_mark"]', "asked = []")
    (project / "cases.toml").write_text(cases)
    result = CliRunner().invoke(app, ["eval", "cases.toml"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("listed", "cases", "fault"),
    [
        (LISTED, ("listed.maps", "listed.mapz"), "listed.mapz: there is no MCP server 'mapz'"),
        (LISTED, ('listed.maps = "maps.json"', ""), "listed.maps must name the file of the tools"),
        ({"tools": 1}, ("", ""), "listed.maps: ValueError: must have a list of tools"),
        ([{"name": "weather"}], ("", ""), "listed.maps: ValueError: each tool of a server must have a name"),
        (LISTED, ('"maps.json"', '"none.json"'), "listed.maps: FileNotFoundError"),
        (LISTED, ("maps.maps_weather", "maps.weather"), "there is no tool 'maps.weather'"),
    ],
)
def test_faults_of_a_servers_file_end_the_command(
    project: Path, listed: object, cases: tuple[str, str], fault: str
) -> None:
    (project / "services.toml").write_text(SERVER.replace("{identity}", "Human"))
    (project / "maps.json").write_text(json.dumps(listed))
    (project / "cases.toml").write_text(SERVER_CASES.replace(*cases))
    result = CliRunner().invoke(app, ["eval", "cases.toml"])
    assert result.exit_code == 1
    assert fault in " ".join(result.stderr.split())


POLICY = """
from idaas_agent.policies import Deny, Policy

class NoPayslips(Policy):
    async def decide(self, pending, caller, facts, so_far):
        if pending.call["name"] == "payslip" and caller.principal.subject == "carol":
            return Deny(reason="not for carol")
        return so_far

def made(parts, storage):
    assert {service.name.split("/")[0] for service in parts.services} == {"payroll"}
    return NoPayslips()
"""


def test_installed_policies_decide_in_cases(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "eval_policy-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: eval-policy\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[idaas_agent.policies]\nown = eval_own_policy:made\n")
    (tmp_path / "eval_own_policy.py").write_text(POLICY)
    monkeypatch.syspath_prepend(tmp_path)
    result = CliRunner().invoke(app, ["eval", "cases.toml"])
    assert result.exit_code == 1
    assert "calls: expected payroll.payslip, found none" in " ".join(result.output.split())
