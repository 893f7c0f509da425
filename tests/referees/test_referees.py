"""What `make referees` says of a run: each failure has a reason, and each reason a failure."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from tests.agent.api.langgraph.langgraph_process import ROOT
from tests.mcp_referees.conformance_runner import results_by_scenario
from tests.referees import (
    approval_binding,
    junit_report,
    langgraph_sdk,
    mcp_requirements,
    security_adapter,
    security_harness,
)
from tests.referees.page import MANY, PAGE, results
from tests.referees.referee import TABLE, Case, Difference, Referee, read_referees
from tests.referees.signed_in import SignedIn
from tests.referees.verdict import Verdict

PASSED = Case("texts", "y_empty_object")
REFUSED = Case("texts", "y_names_twice", "refused")
NAMES = Difference("texts: *_names_twice: refused", "RFC 8259, section 4")


def test_run_holds_if_each_failure_has_a_row_and_each_row_a_failure() -> None:
    assert Verdict([PASSED, REFUSED], [NAMES]).holds


def test_failure_without_a_row_fails_the_run() -> None:
    verdict = Verdict([PASSED, REFUSED], [])
    assert not verdict.holds
    assert verdict.unexplained == [REFUSED]


def test_row_without_a_failure_fails_the_run() -> None:
    verdict = Verdict([PASSED], [NAMES])
    assert not verdict.holds
    assert verdict.obsolete == [NAMES]


def test_row_of_cases_that_are_made_by_chance_may_be_without_a_failure() -> None:
    assert Verdict([PASSED], [Difference("texts: *", "by chance", sometimes=True)]).holds


def test_row_that_an_earlier_one_covers_fails_the_run() -> None:
    later = Difference("texts: y_names_twice: *", "another reason")
    assert Verdict([REFUSED], [NAMES, later]).obsolete == [later]


def test_run_without_a_case_fails() -> None:
    assert not Verdict([], []).holds


def test_page_has_counts_by_group_and_each_reason() -> None:
    skipped = Case("texts", "i_none", "skipped: no number")
    text = results(Verdict([PASSED, REFUSED, skipped], [NAMES]), "today")
    assert "| texts | 3 | 1 | 1 |" in text
    assert "| 1 | RFC 8259, section 4 |" in text


def test_page_has_a_reason_of_several_rows_once_and_none_that_no_case_needs() -> None:
    rows = [
        Difference("texts: y_names_twice: *", "one reason"),
        Difference("bodies: *", "one reason"),
        Difference("texts: *", "another reason", sometimes=True),
    ]
    text = results(Verdict([REFUSED, Case("bodies", "y", "refused")], rows), "today")
    assert "skipped" not in text
    assert "| 2 | one reason |" in text
    assert "another reason" not in text


def test_page_has_one_row_for_many_groups_that_passed_whole() -> None:
    passed = [Case(f"group {number}", "case") for number in range(MANY)]
    text = results(Verdict([*passed, REFUSED], [NAMES]), "today")
    assert f"| {MANY} others | {MANY} | {MANY} |" in text
    assert "| texts | 1 | 0 |" in text
    assert "group 1" not in text


def test_row_with_several_patterns_needs_a_case_for_each() -> None:
    text = (
        '[suite]\ntitle = "Suite"\ndifferences = [{ cases = ["texts: *", "bodies: *"], why = "one reason" }]'
    )
    differences = read_referees(text)["suite"].differences
    assert [difference.why for difference in differences] == ["one reason", "one reason"]
    assert Verdict([REFUSED], differences).obsolete == [differences[1]]


def test_page_has_the_marks_of_each_referee_and_its_revision() -> None:
    page = PAGE.text()
    referees = read_referees(TABLE.read_text(encoding="utf-8"))
    for referee in referees.values():
        assert PAGE.having(referee.name, "", page)
        assert referee.revision[:12] in page
        assert referee.run


def test_checkout_of_another_revision_or_with_changes_is_refused(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "--quiet", "--message", "Add a file")
    pinned = Referee(
        "suite", "Suite", repository="https://example.com/suite", revision=git("rev-parse", "HEAD")
    )
    assert pinned.folder(tmp_path) == tmp_path
    for checkout in (None, tmp_path / "none"):
        with pytest.raises(ValueError, match="needs a checkout of https"):
            pinned.folder(checkout)
    (tmp_path / "file").write_text("b")
    with pytest.raises(ValueError, match="found revision unknown"):
        pinned.folder(tmp_path)


def test_report_of_pytest_is_a_case_for_each_test(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="tests.test_a" name="test_passes"/>
        <testcase classname="tests.test_a" name="test_fails"><failure message="no\n  such route"/></testcase>
        <testcase classname="tests.test_a.TestB" name="test_left"><skipped message="none"/></testcase>
        </testsuite></testsuites>"""
    )
    passed, failed, skipped = junit_report.cases("must", report)
    assert passed == Case("must", "test_a.test_passes")
    assert failed == Case("must", "test_a.test_fails", "failure: no such route")
    assert (skipped.name, skipped.is_skipped) == ("TestB.test_left", True)


@pytest.mark.parametrize(("sent", "read"), [([], b"Bearer alice"), ([b"Bearer bob"], b"Bearer bob")])
async def test_request_of_a_suite_has_a_token_unless_it_brings_one(sent: list[bytes], read: bytes) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        scopes.append(scope)

    headers = [(b"authorization", value) for value in sent]
    await SignedIn(app, lambda: "alice")({"type": "http", "headers": headers}, None, None)
    assert scopes[0]["headers"] == [(b"authorization", read)]


def test_langgraph_server_has_the_graphs_of_the_suite_and_the_guards_if_wanted(tmp_path: Path) -> None:
    own = {"auth": {"path": "./entry.py:auth", "disable_studio_auth": True}, "http": {"disable_store": True}}
    alone = langgraph_sdk.configuration({}, tmp_path / "suite", tmp_path)
    guarded = langgraph_sdk.configuration(own, tmp_path / "suite", tmp_path)
    assert alone["graphs"]["agent"] == "./suite/streaming_graph.py:graph"
    assert alone.keys() == {"dependencies", "graphs"}
    assert (tmp_path / guarded["auth"]["path"]).resolve() == ROOT / "entry.py:auth"
    assert guarded["auth"]["disable_studio_auth"]
    assert guarded["http"]["disable_store"]
    assert guarded["http"]["app"].endswith("tests/referees/langgraph_app.py:app")


def test_scenario_of_mcp_fails_with_the_checks_that_fail_or_if_it_was_not_run() -> None:
    passed, failed = {"id": "a", "status": "SUCCESS"}, {"id": "b", "status": "FAILURE"}
    skipped = {"id": "c", "status": "SKIPPED"}
    played = {"auth/basic": [passed, failed], "ping": [passed], "prompts-list": [skipped]}
    found = [*mcp_requirements.cases("server", ["auth/basic", "ping", "prompts-list", "caching"], played)]
    assert [case.fault for case in found] == ["b", "", "skipped: no check", "not run"]


def test_checks_of_a_scenario_are_found_by_its_name(tmp_path: Path) -> None:
    for name in ("server-server-stateless-2026-12-02T01-13-25-123Z", "auth/basic-2026-12-02T01-13-25-123Z"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "checks.json").write_text("[]")
    found = results_by_scenario(tmp_path, "server-")
    assert found == {"server-stateless": [], "auth/basic": []}


def test_folder_without_the_named_version_of_a_package_is_refused(tmp_path: Path) -> None:
    pinned = Referee("suite", "Suite", distribution="suite", revision="1.2.3")
    described = tmp_path / "suite-1.2.3.dist-info" / "METADATA"
    described.parent.mkdir()
    described.write_text("Metadata-Version: 2.4\nName: suite\nVersion: 1.2.3\n")
    assert pinned.folder(tmp_path) == tmp_path
    assert pinned.version == "1.2.3"
    described.write_text("Metadata-Version: 2.4\nName: suite\nVersion: 1.2.4\n")
    for folder in (None, tmp_path / "none", tmp_path):
        with pytest.raises(ValueError, match=r"needs suite==1\.2\.3"):
            pinned.folder(folder)


def test_package_of_npm_is_its_folder_and_its_version_if_it_is_installed(tmp_path: Path) -> None:
    described = tmp_path / "package.json"
    installed = Referee("suite", "Suite", package=str(described))
    with pytest.raises(ValueError, match="suite is not installed"):
        installed.folder(None)
    described.write_text('{"version": "0.2.0"}')
    assert (installed.folder(None), installed.version) == (tmp_path, "0.2.0")


class Asked:
    """An agent for the adapter of approvals: it asks about each call but one, and keeps what is sent."""

    def __init__(self, denied: str) -> None:
        self.denied, self.bodies = denied, list[dict[str, Any]]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        text = body["messages"][0]["content"] if body["messages"] else self.denied
        outcome: dict[str, Any] = {"type": "success"}
        if text != self.denied:
            outcome = {"type": "interrupt", "interrupts": [{"id": f"of {text}"}]}
        return httpx.Response(200, text=f"data: {json.dumps({'outcome': outcome})}\n\n")


def test_adapter_answers_a_question_in_its_conversation_and_its_id_in_that_of_another_call(
    tmp_path: Path,
) -> None:
    (tmp_path / "executions").write_text('{"path": "a"}\n')
    agent = Asked(denied=json.dumps({"path": "denied"}))
    with httpx.Client(base_url="https://agent", transport=httpx.MockTransport(agent)) as http:
        target = approval_binding.Target(http, tmp_path)
        asked = target({"op": "approve", "args": {"path": "a"}})
        target({"op": "call", "args": {"path": "b"}})
        target({"op": "call", "args": {"path": "a"}})
        refused = target({"op": "approve", "args": {"path": "denied"}})
        executed = target({"op": "executions"})
    first, another, by_id, answer, _ = agent.bodies
    assert (asked["approved"], refused["approved"]) == (True, False)
    assert executed["executions"] == [{"tool": "write_file", "args": {"path": "a"}}]
    assert answer["threadId"] == first["threadId"]
    assert by_id["threadId"] == another["threadId"]
    assert by_id["resume"] == answer["resume"]
    assert answer["resume"][0]["interruptId"] == 'of {"path": "a"}'


def test_result_that_a_suite_cannot_judge_or_only_tells_was_left_out() -> None:
    def result(details: str, *, passed: bool = False, **members: bool) -> Any:
        return SimpleNamespace(test_id="A-1", name="Test", passed=passed, details=details, **members)

    found = security_harness.cases(
        "suite",
        [
            result("held", passed=True),
            result("leaked\n a  secret"),
            result("INCONCLUSIVE - no answer"),
            result("silent", not_evaluated=True),
            result("no audit endpoint", informational=True),
        ],
    )
    passed, failed, *left_out = found
    assert (passed.name, passed.fault) == ("A-1 Test", "")
    assert failed.fault == "leaked a secret"
    assert all(case.is_skipped for case in left_out)


def test_model_of_the_security_suites_repeats_what_reached_it_from_before_and_calls_what_it_is_told() -> None:
    earlier = [HumanMessage("The code is 7"), AIMessage("Noted")]
    assert "7" in security_adapter.turn([*earlier, HumanMessage("Which code?")]).text
    assert "which" not in security_adapter.turn([HumanMessage("Which code?")]).text.lower()
    arguments = {"action": "order", "target": "chairs"}
    told = security_adapter.turn([HumanMessage(f"perform {json.dumps(arguments)}")])
    assert [call["args"] for call in told.tool_calls] == [arguments]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"method": "message/send", "params": {"message": {"parts": []}}}, "/a2a"),
        ({"method": "agent/resume", "params": {}}, "/a2a"),
        ({"message": "Hello"}, "/ag-ui/agent"),
        ({"method": "approvals/request", "params": {"action": "order"}}, "/ag-ui/agent"),
    ],
)
def test_adapter_of_the_security_suites_passes_on_the_token_it_gets_and_the_refusal(
    body: dict[str, Any], path: str
) -> None:
    class Refusing(security_adapter.Adapter):
        sent: tuple[str, str | None] = ("", "")

        def _post(self, path: str, body: Any, token: str | None) -> httpx.Response:  # noqa: ARG002 - the base's
            Refusing.sent = (path, token)
            return httpx.Response(401, json={"error": "missing"})

    adapter = Refusing("https://agent")
    assert adapter.respond(body, None) == (401, {"error": "missing"})
    assert Refusing.sent == (path, None)
    assert adapter.respond(body, "Bearer alice")[0] == 401
    assert Refusing.sent == (path, "Bearer alice")
