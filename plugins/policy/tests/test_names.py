"""A tool has one name for rules, labels, people and records: `service.tool`. A permission is an attribute."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from agent.conversations.stored_request import members_of, request_of
from agent.settings.settings import read_settings
from graph.approvals.gate import ApprovalGate
from graph.approvals.grants import Grant, Grants
from graph.approvals.policies import policies_of
from graph.approvals.policy import User
from graph.approvals.request import approval_of, pending_of
from graph.approvals.rights import rights_of
from graph.credentials.service_credentials import requirements
from graph.labels.data_labels import services_in
from identity.access_token.revocation_list import RevocationList
from identity.credentials.requirement import AccessTokenRequirement
from identity.errors import ConfigurationError
from identity.principal import AccessIdentity, Principal
from plugins.policy.rules import read_rules
from plugins.policy.schema import Vocabulary, vocabulary_of
from plugins.policy.tests.company import FRIDAY, RULES, Company, expense
from tests.graph.approvals.conftest import NOW
from tests.graph.approvals.conftest import request_of as question_of
from tests.graph.bench import LLM
from tests.graph.scripted_model import calls
from tests.suite import Sandbox
from tools.approval_policy import ApprovalMode, Data, Effect, ToolPolicy
from tools.http_service.service import HTTPService
from tools.lasting import Lasting

pytestmark = [pytest.mark.promise("policy-decides"), pytest.mark.promise("confidential-data-stays")]

ALICE = Principal("https://idaas.example", "alice")
PAGE = (Path(__file__).parents[3] / "docs" / "tool-policies.md").read_text(encoding="utf-8")
EXPENSES = PAGE.partition("<!-- expenses.py -->\n```python\n")[2].partition("```")[0]
"""The documents' own service, whose tool `submit_expense` has a permission of its own."""
LABELLED_WRITE = ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW, data=Data.CONFIDENTIAL)
POLICIES = {
    "submit_expense": LABELLED_WRITE,
    "pay_out": LABELLED_WRITE,
    "remind_approver": LABELLED_WRITE,
    "salary": ToolPolicy(data=Data.CONFIDENTIAL),
}
SALARY = calls(("salary", {}))


class Expenses:
    """That service, with two tools besides. `sent` are the requests that it received."""

    def __init__(self) -> None:
        self.sent: list[httpx.Request] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._received))
        scope = AccessTokenRequirement("https://expenses.example|expenses.read")
        self.service = HTTPService(
            "expenses", "https://expenses.example", scope, policies=POLICIES, http=http
        )
        documented: dict[str, Any] = {}
        exec(EXPENSES, documented)  # noqa: S102 - the documents' own code
        documented["service"](self.service, {})

        async def pay_out(http: Any, report: str) -> str:
            """Pays out."""
            return str((await http.post("paid", json={"report": report})).text)

        async def salary(http: Any) -> str:
            """Gets the salary."""
            return str((await http.get("salary")).text)

        self.service.add(pay_out, permission="expenses.write")
        self.service.add(salary, permission="salaries.read")

    def _received(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return httpx.Response(200, text="done")


Made: TypeAlias = Callable[..., tuple[Company, Expenses]]


@pytest.fixture
def vocabulary(sandbox: Sandbox) -> Callable[[HTTPService], Vocabulary]:
    variables = {"CALLER_CLAIMS": "groups department", "POLICY_GROUPS": "staff,finance"}
    settings = read_settings(sandbox.environment | variables | {"POLICY_URL": "https://pdp.example/"})
    listed: Any = lambda each: each.cached_tools(None)  # noqa: E731
    return lambda service: vocabulary_of(settings, service.services, listed, counts=False)


@pytest.fixture
def made(tmp_path: Path, vocabulary: Callable[[HTTPService], Vocabulary]) -> Made:
    def make(*turns: Any, rules: str = RULES.partition('@id("daily")')[0] + "// end") -> Any:
        expenses = Expenses()
        services = list(expenses.service.services)
        known = vocabulary(expenses.service)
        return Company(tmp_path, list(turns), rules=rules, vocabulary=known, services=services), expenses

    return make


async def test_rules_of_the_documents_decide_about_the_tool_of_the_documents(made: Made) -> None:
    company, expenses = made(expense(30.0))
    assert await company.say() == ["done"]
    assert json.loads(expenses.sent[0].content)["amount"] == 30.0
    recorded = [each for each in company.records.events if each.tool == "submit_expense"]
    assert {(each.service, each.scope) for each in recorded} == {("expenses", "expenses.write")}


async def test_question_about_it_names_the_service_and_its_answer_makes_the_call(made: Made) -> None:
    company, expenses = made(expense(600.0))
    await company.say()
    [interrupted] = (await company.bench.graph.aget_state(company._config)).interrupts
    shown = approval_of(pending_of(interrupted.value))
    [state] = await company.store.pending(ALICE)
    assert (state.request.service, state.request.declared["scope"]) == ("expenses", "expenses.write")
    assert (shown["service"], shown["tool"], shown["scope"]) == (
        "expenses",
        "submit_expense",
        "expenses.write",
    )
    assert "of the expenses service" in interrupted.value["action_requests"][0]["description"]
    assert await company.approve() == ["done"]
    assert len(expenses.sent) == 1


async def test_rule_about_what_was_read_fires_by_the_service_that_people_see(made: Made) -> None:
    rule = 'forbid (principal, action in Action::"write", resource)'
    condition = 'when { context.read.services.contains("expenses") };'
    company, expenses = made(
        SALARY, expense(30.0), rules=f"permit (principal, action, resource);\n{rule}\n{condition}\n// end"
    )
    results = await company.say()
    assert results[0] == "done"
    assert "denies" in results[1]
    assert [each.url.path for each in expenses.sent] == ["/salary"]


async def test_confidential_data_goes_back_to_its_own_service_unasked_under_another_permission(
    made: Made,
) -> None:
    company, _ = made(SALARY, expense(30.0), rules="permit (principal, action, resource);\n// end")
    assert await company.say() == ["done", "done"]
    state = await company.bench.graph.aget_state(company._config)
    assert state.values["read"].keys() == {"expenses.salary", "expenses.submit_expense"}


async def test_rights_name_the_service_once_for_each_permission(made: Made) -> None:
    company, expenses = made()
    services = expenses.service.services
    required = requirements(services, AccessIdentity.HUMAN, LLM)
    policies = policies_of({each.name: each for each in services}, required, [company.policy])
    gate = ApprovalGate(services, required, company.store, 600, lambda: FRIDAY, policies)
    rights = await rights_of(
        User(ALICE, {}),
        gate,
        lambda each: each.cached_tools(None),  # type: ignore[arg-type]  # the same for every access
        policy=None,
        grants=(),
    )
    found = [
        (each["name"], each["scope"], [tool["name"] for tool in each["tools"]]) for each in rights["services"]
    ]
    assert found == [
        ("expenses", "expenses.read", ["remind_approver"]),
        ("expenses", "expenses.write", ["submit_expense", "pay_out"]),
        ("expenses", "salaries.read", ["salary"]),
    ]


def test_records_with_the_name_of_a_node_are_read_with_that_of_the_service(tmp_path: Path) -> None:
    asked = question_of(service="expenses", tool="submit_expense", scope="expenses.write")
    stored = members_of(asked) | {"service": "expenses/expenses.write"}
    in_columns = {"id": asked.id, "thread_id": asked.thread_id, "principal": asked.principal}
    assert request_of(stored, **in_columns) == asked
    services: Any = {each.name: each for each in Expenses().service.services}
    services["expenses/expenses.write"]._policies["submit_expense"] = ToolPolicy(
        Effect.WRITE, ApprovalMode.ASK, lasting=Lasting(60, conversation_only=False)
    )
    rights = services["expenses/expenses.write"].credential.at_most
    lasting = Lasting(60, conversation_only=False)
    given = Grant(
        request=replace(asked, declared=rights), lasting=lasting, schema="s", token="t", created_at=NOW
    )
    grants = Grants(*[None, services, None, RevocationList(), None, None])  # type: ignore[arg-type]  # unused
    assert grants.counts(given)
    assert services_in({"expenses/expenses.write.submit_expense": "confidential"}) == {"expenses"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "expenses.submit",
            "expenses.pay_out, expenses.remind_approver, expenses.salary, expenses.submit_expense",
        ),
        ("expenses/expenses.write.submit_expense", "expenses.submit_expense"),
        ("expence.submit_expense", "expenses.submit_expense"),
    ],
)
def test_wrong_name_in_a_rule_is_a_fault_that_lists_the_right_ones(
    tmp_path: Path, vocabulary: Any, name: str, expected: str
) -> None:
    file = tmp_path / "policy.cedar"
    file.write_text(f'permit (principal, action == Action::"{name}", resource);\n// end')
    with pytest.raises(ConfigurationError) as caught:
        read_rules(file, vocabulary(Expenses().service))
    [fault] = caught.value.faults
    assert fault.startswith(f'1: there is no tool "{name}"')
    assert expected in fault
