"""A tool call is recorded before it is made and when it has ended, however it ended."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail
from identity.credentials.placement import Placement
from identity.credentials.requirement import ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import AuditError, CredentialError, ServiceError
from identity.principal import AccessIdentity
from tests.audit_records import AuditRecords
from tests.graph.bench import AMAP_KEY, ENTERPRISE_SCOPE, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import calls
from tools.error_codes import ToolCode
from tools.service import ToolResult

pytestmark = pytest.mark.promise("on-record")

DONE = AIMessage("done")
UNAVAILABLE = AuditError(IdentityCode.AUDIT_UNAVAILABLE, "broken")
TOOL_CALLS, MODEL_CALLS = {AuditedAction.TOOL_CALL}, {AuditedAction.MODEL_CALL}


async def test_record_of_a_call_names_caller_tool_service_and_credential_and_no_content() -> None:
    records = AuditRecords(TOOL_CALLS)
    gateway = ApiKeyRequirement("gateway", placement=Placement("X-API-Key"))
    b = bench(
        [calls(("hours", {"week": "canary"})), DONE],
        EchoService("enterprise", replace(ENTERPRISE_SCOPE, also=(gateway,)), hours="canary"),
        access_identity=AccessIdentity.HUMAN,
        audit=AuditTrail(records),
    )
    await b.ask()
    begun, ended = records.events
    for event in records.events:
        assert event.principal.subject == "alice"
        assert (event.service, event.tool, event.call_id) == ("enterprise", "hours", "call_1")
        assert event.access_identity is AccessIdentity.HUMAN
        assert (event.audience, event.scope) == ("https://enterprise.example", "service.invoke")
        assert event.credential == "gateway"
        assert event.arguments_digest == hashlib.sha256(b'{"week":"canary"}').hexdigest()
    assert (begun.outcome, begun.duration) == (AuditOutcome.STARTED, None)
    assert ended.outcome is AuditOutcome.SUCCEEDED
    assert ended.duration > 0
    assert "canary" not in repr(records.events)
    assert "alice-at" not in repr(records.events)


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (ToolResult("no such city", ok=False), AuditOutcome.FAILED, None),
        (
            ServiceError(ToolCode.EXTERNAL_SERVICE_FAILED, "down"),
            AuditOutcome.FAILED,
            ToolCode.EXTERNAL_SERVICE_FAILED,
        ),
        (
            CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "refused"),
            AuditOutcome.REFUSED,
            IdentityCode.TOKEN_EXCHANGE_FAILED,
        ),
        (RuntimeError("a fault"), AuditOutcome.FAILED, ToolCode.EXTERNAL_SERVICE_FAILED),
    ],
)
async def test_record_has_the_outcome_and_the_error_code_of_a_call(
    answer: Any, outcome: Any, error: Any
) -> None:
    records = AuditRecords(TOOL_CALLS)
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather=answer), audit=AuditTrail(records))
    await b.ask()
    assert (records.events[-1].outcome, records.events[-1].error) == (outcome, error)


async def test_cancelled_call_is_recorded() -> None:
    records, called = AuditRecords(TOOL_CALLS), asyncio.Event()

    async def hang():
        called.set()
        await asyncio.Event().wait()

    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather=hang), audit=AuditTrail(records))
    run = asyncio.create_task(b.ask())
    await called.wait()
    run.cancel()
    await asyncio.wait([run])
    assert [event.outcome for event in records.events] == [AuditOutcome.STARTED, AuditOutcome.CANCELLED]


@pytest.mark.parametrize(
    ("kind", "breaks_at", "called"),
    [
        pytest.param(TOOL_CALLS, 0, 0, id="the call of a tool"),
        pytest.param(TOOL_CALLS, 1, 1, id="its end"),
        pytest.param(MODEL_CALLS, 0, 0, id="the response that asks for it"),
    ],
)
async def test_what_cannot_be_recorded_ends_the_run_and_no_call_is_made_after_it(
    kind: Any, breaks_at: int, called: int
) -> None:
    service, audit = (
        EchoService("amap", AMAP_KEY, weather="sunny"),
        AuditTrail(AuditRecords(kind, breaks_at=breaks_at)),
    )
    b = bench([calls(("weather", {})), DONE], service, audit=audit)
    with pytest.raises(AuditError):
        await b.ask()
    assert (len(b.model.asked), len(service.calls)) == (1, called)


async def test_credential_that_cannot_be_recorded_ends_the_run_and_is_no_result_for_the_model() -> None:
    amap = EchoService("amap", AMAP_KEY, weather="sunny")
    b = bench([calls(("weather", {})), DONE], amap)
    b.vault.failures["amap_api_key"] = UNAVAILABLE
    with pytest.raises(AuditError):
        await b.ask()
    assert (len(b.model.asked), amap.calls) == (1, [])


async def test_each_call_of_the_model_is_recorded_with_its_tokens_and_no_content() -> None:
    records = AuditRecords(MODEL_CALLS)
    counted = AIMessage("canary", usage_metadata={"input_tokens": 12, "output_tokens": 3, "total_tokens": 15})
    b = bench(
        [calls(("weather", {})), counted],
        EchoService("amap", AMAP_KEY, weather="sunny"),
        audit=AuditTrail(records),
        name="qwen-plus",
    )
    await b.ask("canary")
    uncounted, last = records.events
    for event in records.events:
        assert (event.outcome, event.model) == (AuditOutcome.SUCCEEDED, "qwen-plus")
        assert event.principal.subject == "alice"
        assert (event.credential, event.access_identity) == ("llm_api_key", AccessIdentity.MACHINE)
        assert event.duration > 0
    assert (uncounted.input_tokens, uncounted.output_tokens) == (None, None)
    assert (last.input_tokens, last.output_tokens) == (12, 3)
    assert "canary" not in repr(records.events)
