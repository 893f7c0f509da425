"""Requests for approvals, and a run that waits for its user."""

from typing import Any

import pytest

from agent.conversations.stored_request import request_of as stored_request
from graph.approvals.record import ApprovalKind, ApprovalRequest
from graph.call_arguments import arguments_digest
from identity.principal import AccessIdentity, Principal
from tests.graph.approvals.bank import NOW, Bank
from tools.approval_policy import Effect

ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")
SECONDS = 600.0
DIGEST = arguments_digest({"amount": 5})


def request_of(**members: Any) -> ApprovalRequest:
    """A request that alice is asked at `NOW`, for `SECONDS`; `members` replace those of `"1"`."""
    request = {
        "id": "1",
        "kind": ApprovalKind.TOOL_CALL,
        "thread_id": "t1",
        "principal": ALICE,
        "service": "bank",
        "tool": "pay",
        "call_id": "call_1",
        "digest": DIGEST,
        "effect": Effect.WRITE,
        "access_identity": AccessIdentity.HUMAN,
        "audience": "https://bank.example",
        "scope": "pay",
        "credential_kind": "access_token",
        "created_at": NOW,
        "expires_at": NOW + SECONDS,
    }
    return stored_request({**request, **members})


@pytest.fixture
async def bank() -> Bank:
    """Alice is asked about one payment."""
    paused = Bank()
    await paused.ask()
    return paused
