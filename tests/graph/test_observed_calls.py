"""Calls of the model and of tools are measured, and their spans show whose rights they used."""

from collections.abc import Iterator

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage

from graph.credentials.service_credentials import ServiceRequirement
from graph.error_codes import GraphCode
from graph.message_content import message_content
from graph.observed_calls import ObservedCalls
from graph.tool_calls.tool_step import StepRun, ToolSteps
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import AccessTokenRequirement
from identity.errors import ServiceError
from identity.observation.span import CURRENT_SPAN, RecordedSpan, SpanKind, Trace
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens
from tools.service import ToolResult

KEY = Secret("sk-canary")


class Ended(list[RecordedSpan]):
    def ended(self, span: RecordedSpan) -> None:
        self.append(span)


@pytest.fixture
def ended() -> Iterator[Ended]:
    ended = Ended()
    trace = Trace(1, ended, receivers=frozenset())
    outer = CURRENT_SPAN.set(RecordedSpan(trace, "run", SpanKind.INTERNAL))
    yield ended
    CURRENT_SPAN.reset(outer)


async def test_tool_call_shows_its_credential_and_its_approval(ended: Ended) -> None:
    calls = ObservedCalls("qwen-plus")
    service = EchoService("shop", AccessTokenRequirement("https://svc.example|svc.read"))
    required = {"shop": ServiceRequirement(service.credential, AccessIdentity.HUMAN)}
    run = StepRun(await Tokens().verify(Secret("alice-at")), lambda _: None, [KEY])
    call = ToolCall(name="pay", args={"amount": 7}, id="call_1")

    async def pay() -> tuple[ToolResult, None]:
        return ToolResult("paid"), None

    await ToolSteps([service], required, AuditTrail(), calls).step(call, "shop", run, "f00d").made(pay)
    (span,) = ended
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
    assert list(calls.tools.values) == [("pay", "shop", "")]


def test_refused_key_fails_the_call_that_was_sent_with_it(ended: Ended) -> None:
    calls = ObservedCalls("qwen-plus")
    with calls.inference_call() as call:
        call.ended(ServiceError(GraphCode.MODEL_CALL_FAILED, "status 401", status=401), KEY)
    assert [span.error for span in ended] == ["model_call_failed"]
    assert list(calls.inference.values) == [("qwen-plus", "model_call_failed")]


def test_tokens_are_counted_by_model_and_kind() -> None:
    calls = ObservedCalls("qwen-plus")
    used = {
        "input_tokens": 7,
        "output_tokens": 5,
        "total_tokens": 12,
        "output_token_details": {"reasoning": 2},
    }
    for _ in range(2):
        with calls.inference_call() as call:
            call.ended(AIMessage("Hi", usage_metadata=used), KEY)
    tallies = (calls.input_tokens, calls.output_tokens, calls.reasoning_tokens)
    assert [tally.values for tally in tallies] == [{("qwen-plus",): count} for count in (14, 10, 4)]


def test_messages_have_the_conventions_form_without_the_key() -> None:
    messages = [
        HumanMessage(f"My key is {KEY.reveal()}"),
        AIMessage(
            "Wait",
            additional_kwargs={"reasoning_content": "Hm"},
            tool_calls=[{"name": "pay", "args": {"amount": 7}, "id": "1"}],
        ),
        ToolMessage("paid", tool_call_id="1"),
    ]
    assert message_content(messages, [KEY]) == (
        '[{"role": "user", "parts": [{"type": "text", "content": "My key is **redacted**"}]}, '
        '{"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm"}, '
        '{"type": "text", "content": "Wait"}, '
        '{"type": "tool_call", "id": "1", "name": "pay", "arguments": {"amount": 7}}]}, '
        '{"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "paid"}]}]'
    )
