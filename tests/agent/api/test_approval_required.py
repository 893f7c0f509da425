"""A run that waits for an approval, as OpenAI's clients receive it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from agent.api.openai.response import ChunkEncoder, completion
from agent.http.page_address import page_address
from agent.runs.run import Paused, RunEvent, Usage
from agent.settings.settings import read_settings
from graph.approvals.card import card_text
from graph.approvals.record import ApprovalKind, ApprovalRequest, PendingApproval
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.agent.scripted_run import reader_of
from tests.suite import Sandbox
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


PLACES = [
    ("https://chat.example.com", "https://chat.example.com/#approval="),
    ("https://example.com/chat/", "https://example.com/chat/#approval="),
]


@pytest.mark.parametrize(("page", "link"), PLACES)
@pytest.mark.parametrize(
    "kind", [ApprovalKind.TOOL_CALL, ApprovalKind.CONSENT_REQUIRED, ApprovalKind.ELICITATION]
)
async def test_words_say_where_the_user_decides(kind: ApprovalKind, page: str, link: str) -> None:
    waits = pending(kind, days=3)
    body: Mapping[str, Any] = completion(Paused((waits,)), model="m", created=1, page=page)
    expected = f"\n\nDecide here: {link}{'a' * 32}"
    assert body["choices"][0]["message"]["content"].endswith(expected)
    encoder = ChunkEncoder(model="m", created=1, include_usage=False, page=page)
    stream = "".join([text async for text in encoder.texts(reader_of(Paused((waits,))))])
    assert json.dumps(expected)[1:-1] in stream


def test_without_a_page_the_words_name_no_address() -> None:
    body: Mapping[str, Any] = completion(Paused((pending(),)), model="m", created=1)
    text = body["choices"][0]["message"]["content"]
    assert text.endswith("Decide where you see this agent's conversations.")


@pytest.mark.parametrize(
    ("variables", "page"),
    [
        ({"AGENT_PAGE_URL": "https://example.com/chat/"}, "https://example.com/chat/"),
        ({"CORS_ALLOWED_ORIGINS": "https://a.example.com,https://b.example.com"}, "https://a.example.com"),
    ],
)
def test_the_page_is_the_configured_one_or_the_first_that_may_call(
    sandbox: Sandbox, variables: dict[str, str], page: str
) -> None:
    assert page_address(read_settings(sandbox.environment | variables)) == page
