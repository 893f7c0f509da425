"""A run that waits for an approval, as OpenAI's clients receive it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from agent.api.openai.response import ChunkEncoder, completion
from agent.runs.run import Paused, RunEvent, Usage
from graph.approvals.card import card_text
from graph.approvals.record import ApprovalKind, ApprovalRequest, PendingApproval
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.agent.scripted_run import reader_of
from tools.approval_policy import Effect


def pending(
    kind: ApprovalKind = ApprovalKind.TOOL_CALL, url: Secret | None = None, **arguments: Any
) -> PendingApproval:
    request = ApprovalRequest(
        id="a" * 32,
        kind=kind,
        thread_id="thread-1",
        principal=Principal("https://idaas.example", "alice"),
        service="leave",
        tool="leave_apply",
        call_id="call_1",
        digest="d" * 64,
        effect=Effect.WRITE,
        access_identity=AccessIdentity.HUMAN,
        declared={"audience": "https://leave.example", "scope": "leave.write"},
        created_at=1_700_000_000.0,
        expires_at=1_700_000_600.0,
    )
    return PendingApproval(request, arguments, url)


async def chunks_of(*events: RunEvent, include_usage: bool = False) -> list[Any]:
    encoder = ChunkEncoder(model="m", created=1, include_usage=include_usage)
    lines = "".join([text async for text in encoder.texts(reader_of(*events))]).splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


async def test_stream_has_the_approval_as_an_event_and_in_words_and_then_stops() -> None:
    chunks = await chunks_of(Paused((pending(days=3),), Usage(7, 2)), include_usage=True)
    [event] = [chunk["agent_event"] for chunk in chunks if "agent_event" in chunk]
    assert event["type"] == "approval_required"
    assert event["approval"]["arguments"] == {"days": 3}
    assert event["approval"]["expires_at"] == "2023-11-14T22:23:20.000Z"
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert text.startswith("Waiting for your approval.\n\n```text\n")
    assert card_text(pending(days=3)) in text
    assert choices[-1]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] == 9


def test_completion_has_the_approval_as_an_event_and_in_words() -> None:
    body = completion(Paused((pending(days=3),)), model="m", created=1)
    assert body["agent_event"]["approval"]["id"] == "a" * 32
    assert "leave_apply" in body["choices"][0]["message"]["content"]
    assert body["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("kind", "word"), [(ApprovalKind.CONSENT_REQUIRED, "consent"), (ApprovalKind.SIGN_IN_REQUIRED, "Sign in")]
)
def test_words_name_what_is_required(kind: ApprovalKind, word: str) -> None:
    waits = pending(kind, Secret("https://provider.example/consent"))
    body: Mapping[str, Any] = completion(Paused((waits,)), model="m", created=1)
    assert word in body["choices"][0]["message"]["content"]
    assert body["agent_event"]["approval"]["url"] == "https://provider.example/consent"
