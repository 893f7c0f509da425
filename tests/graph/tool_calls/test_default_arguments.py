"""Defaults of a tool are decided about, shown, bound and called: leaving an argument out passes no limit."""

from typing import Any

import pytest

from graph.approvals.answer import AnswerReader
from graph.approvals.record import PendingApproval
from graph.credentials.service_credentials import ServiceCredentials, ServiceRequirement
from graph.tool_calls.default_arguments import with_defaults
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import SCOPE
from tests.graph.approvals.conftest import NOW, request_of
from tests.graph.bench import bench
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens, Vault
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, ArgumentRule, Effect, ToolPolicy
from tools.service import ToolSchema

AMOUNT = {"type": "object", "properties": {"amount": {"type": "integer", "default": 1000}}}
LIMITED = ToolPolicy(
    Effect.WRITE, ApprovalMode.ALLOW, rules=(ArgumentRule("amount", ">", 500, ApprovalMode.DENY),)
)


def bank() -> EchoService:
    service = EchoService("bank", pay="paid")
    service.schemas = [ToolSchema("pay", "Pays.", AMOUNT)]
    service.policies = {"pay": LIMITED}
    return service


@pytest.mark.promise("policy-decides")
async def test_limit_is_not_passed_by_leaving_an_argument_out() -> None:
    service = bank()
    agent = bench([calls(("pay", {})), DONE], service, access_identity=AccessIdentity.HUMAN)
    messages = await agent.ask()
    assert service.calls == []
    assert "policy of the agent denies" in messages[1].text


@pytest.mark.promise("policy-decides")
async def test_default_is_what_is_shown_and_called() -> None:
    service = bank()
    service.policies = {"pay": ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW)}
    turns = [calls(("pay", {}), ("pay", {"amount": 3})), DONE]
    agent = bench(turns, service, access_identity=AccessIdentity.HUMAN)
    shown = [each["arguments"] for each in await agent.events() if each["type"] == "tool_started"]
    assert shown == [{"amount": 1000}, {"amount": 3}]
    assert [arguments for _, arguments, _ in service.calls] == shown


@pytest.mark.promise("approval-binds")
async def test_edit_that_leaves_an_argument_out_approves_its_default() -> None:
    answers = AnswerReader({"bank": bank()}, lambda _service, _caller: None)  # type: ignore[arg-type, return-value]  # it is cached
    asked = PendingApproval(request_of(), {"amount": 5})
    caller = await Tokens().verify(Secret("alice-at"))
    answer = await answers.read({"approved": True, "arguments": {}}, asked, caller)
    assert answer.arguments == {"amount": 1000}


@pytest.mark.promise("policy-decides")
async def test_default_of_a_tool_that_this_process_has_not_listed_yet_is_filled_into_an_edit() -> None:
    service = bank()
    service.listed_by_its_server = True
    human = ServiceRequirement(SCOPE, AccessIdentity.HUMAN)
    credentials = ServiceCredentials({"bank": human}, Vault(), lambda: NOW)  # type: ignore[arg-type]  # in memory
    answers = AnswerReader({"bank": service}, lambda name, caller: credentials.of(caller, name))
    caller = await Tokens().verify(Secret("alice-at"))
    asked = PendingApproval(request_of(), {"amount": 5})
    answer = await answers.read({"approved": True, "arguments": {}}, asked, caller)
    assert answer.arguments == {"amount": 1000}


@pytest.mark.parametrize(
    ("schema", "given", "complete"),
    [
        ({"a": {"default": 1}}, {}, {"a": 1}),
        ({"a": {"default": 1}}, {"a": 2}, {"a": 2}),
        ({"a": {"default": False}}, {}, {"a": False}),
        ({"a": {"default": None}}, {}, {}),
        ({"a": {"default": None}}, {"a": None}, {}),
        ({"a": {"default": None}}, {"a": 0}, {"a": 0}),
        ({"a": {"type": "string"}}, {}, {}),
        ({"a": True}, {}, {}),
    ],
)
def test_each_call_has_one_form_with_its_defaults(schema: Any, given: Any, complete: Any) -> None:
    assert with_defaults(given, {"properties": schema}) == complete


def test_default_of_one_call_is_not_that_of_another() -> None:
    parameters: dict[str, Any] = {"properties": {"tags": {"type": "array", "default": []}}}
    with_defaults({}, parameters)["tags"].append("x")
    assert with_defaults({}, parameters) == {"tags": []}
