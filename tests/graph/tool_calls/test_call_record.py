"""One call of a tool: its span and measure, and of a refused call the result, events and audit line."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.runtime import Runtime

from graph.call_measures import CallMeasures
from graph.callers import Visit
from graph.context import AgentContext
from graph.credentials.service_credentials import ServiceRequirement
from graph.limits import MAX_CALLS, Limits
from graph.state import AgentState
from graph.tool_calls.call_record import CallRecord, CallRecords
from identity.audit.event import AuditedAction, AuditOutcome, Ruled
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.errors import AuditError
from identity.observation.span import RecordedSpan
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.audit_records import WITHOUT_MODEL_CALLS, AuditRecords
from tests.graph.bench import bench
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens
from tests.graph.scripted_model import DONE, calls
from tools.service import ToolResult

AMAP_KEY = ApiKeyRequirement("amap_api_key")
LIMITS = Limits(tool_calls=1)


def broken(name: str, call_id: str) -> AIMessage:
    """A response whose call has arguments that are no JSON."""
    call = {"name": name, "args": '["Hangzhou"]', "id": call_id, "error": None, "type": "invalid_tool_call"}
    return AIMessage("", invalid_tool_calls=[call])


REFUSED = {
    "unknown tool": (calls(("teleport", {"to": "x"})), "teleport", None, {"to": "x"}, "there is no tool"),
    "no JSON": (broken("weather", "call_1"), "weather", "amap", {}, "the arguments must be"),
}


def tool_events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"].startswith("tool_")]


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_call_has_both_events_and_a_result_and_was_not_called(case: str) -> None:
    response, tool, service, arguments, text = REFUSED[case]
    b = bench([response, DONE], EchoService("amap", AMAP_KEY, weather="sunny"))
    started, finished = tool_events(await b.events())
    about = {"tool": tool, "service": service, "call_id": "call_1", "access_identity": None}
    if service:
        about |= {"access_identity": "Machine", "credential": "amap_api_key", "credential_kind": "api_key"}
    assert started == {"type": "tool_started", **about, "arguments": arguments}
    assert finished.pop("result").startswith(text)
    assert finished.pop("duration_ms") >= 0
    assert finished == {"type": "tool_finished", **about, "ok": False, "called": False}
    [result] = [message for message in b.model.asked[-1] if isinstance(message, ToolMessage)]
    del about["tool"], about["call_id"]
    assert result.artifact == about | {"called": False, "duration_ms": 0, "error": None}
    assert b.services[0].calls == []


async def test_refused_calls_have_one_audit_record_each() -> None:
    records = AuditRecords(WITHOUT_MODEL_CALLS)
    b = bench(
        [calls(("teleport", {}), ("weather", {})), DONE],
        EchoService("amap", AMAP_KEY, weather="sunny"),
        access_identity=AccessIdentity.HUMAN,
        limits=LIMITS,
        audit=AuditTrail(records),
    )
    await b.ask()
    assert [
        (event.action, event.outcome, event.tool, event.service, event.call_id, event.credential)
        for event in records.events
    ] == [
        (AuditedAction.TOOL_CALL, AuditOutcome.REFUSED, "teleport", None, "call_1", None),
        (AuditedAction.TOOL_CALL, AuditOutcome.REFUSED, "weather", "amap", "call_2", "amap_api_key"),
    ]
    assert {event.principal and event.principal.subject for event in records.events} == {"alice"}


async def test_refusal_that_cannot_be_recorded_ends_the_run() -> None:
    records = AuditRecords()
    records.broken = {AuditedAction.TOOL_CALL}
    b = bench([calls(("teleport", {})), DONE], EchoService("amap", weather="x"), audit=AuditTrail(records))
    with pytest.raises(AuditError):
        await b.ask()


@pytest.mark.promise("no-secret-leaves")
async def test_events_and_records_of_a_refused_call_contain_no_secret() -> None:
    records = AuditRecords(WITHOUT_MODEL_CALLS)
    secrets = ("alice-at", "llm_api_key-of-machine-0")
    b = bench(
        [calls(*[(secret, {"q": secret}) for secret in secrets]), DONE],
        EchoService("amap", weather="x"),
        audit=AuditTrail(records),
    )
    events = tool_events(await b.events())
    assert len(events) == 4
    shown = f"{events} {records.events}"
    assert not [secret for secret in secrets if secret in shown]


async def test_name_of_an_unknown_tool_is_cut() -> None:
    records = AuditRecords(WITHOUT_MODEL_CALLS)
    b = bench([calls(("t" * 100_000, {})), DONE], EchoService("amap", weather="x"), audit=AuditTrail(records))
    started, _ = tool_events(await b.events())
    assert started["tool"] == records.events[0].tool == "t" * 64


@pytest.mark.promise("bounded")
async def test_calls_of_one_response_are_bounded() -> None:
    b = bench([calls(*[("weather", {})] * 1_000), DONE], EchoService("amap", weather="x"))
    response, *results, _ = await b.ask()
    assert isinstance(response, AIMessage)
    assert len(response.tool_calls) == len(results) == MAX_CALLS
    assert all(isinstance(result, ToolMessage) and "64 calls" in result.text for result in results)
    assert b.services[0].calls == []


async def test_tool_call_shows_its_credential_and_its_approval(ended_spans: list[RecordedSpan]) -> None:
    calls = CallMeasures()
    service = EchoService("shop", AccessTokenRequirement("https://svc.example|svc.read"))
    required = {"shop": ServiceRequirement(service.credential, AccessIdentity.HUMAN)}
    visit = Visit(
        AgentState(messages=[]), await Tokens().verify(Secret("alice-at")), Runtime(context=AgentContext())
    )
    call = ToolCall(name="pay", args={"amount": 7}, id="call_1")

    async def pay() -> tuple[ToolResult, None]:
        return ToolResult("paid"), None

    records = CallRecords({"shop": service}, required, AuditTrail(), calls)
    await CallRecord(records, call, "shop", visit, Ruled(approval="f00d")).execute(pay)
    (span,) = ended_spans
    shown = {attribute.value: value for attribute, value in span.attributes.items()}
    assert (
        shown.items()
        >= {
            "idaas_agent.approval.id": "f00d",
            "idaas_agent.access_identity": "Human",
            "idaas_agent.credential.audience": "https://svc.example",
            "idaas_agent.credential.scope": "svc.read",
        }.items()
    )
    assert list(calls.tools.values) == [("execute_tool", "pay", "shop", "")]
