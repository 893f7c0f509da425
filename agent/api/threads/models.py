"""The responses of `/threads` as models, for the API document and generated clients."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from agent.api.response_models import Approval

Status = Literal["idle", "running", "paused", "interrupted", "failed"]


class _Wire(BaseModel):
    """Every member is listed: a response has no others."""

    model_config = ConfigDict(extra="forbid")


class ThreadModel(_Wire):
    """A conversation. Times are RFC 3339.

    `status` is about the last run: `idle` (it ended), `running`, `paused` (it waits for an approval),
    `interrupted` (its process stopped) or `failed`; the last two can be continued.
    """

    id: str
    title: str | None
    created_at: str
    updated_at: str
    status: Status
    pending_approvals: int


class ThreadList(_Wire):
    """A page of conversations, the last changed first. `next` is the `before` of the next page."""

    threads: list[ThreadModel]
    next: str | None


class MessagePage(_Wire):
    """AG-UI's messages, the oldest first. `next` is the `before` of the page before it."""

    messages: list[dict[str, Any]]
    next: int | None


class RunReference(_Wire):
    """A run."""

    id: str


class WholeThread(ThreadModel):
    """A conversation with its newest messages, the approvals it waits for, and the run that is going on."""

    messages: list[dict[str, Any]]
    next: int | None
    approvals: list[Approval]
    run: RunReference | None


class StartedRun(_Wire):
    """A run has begun, or goes on; its events are at `/threads/{thread_id}/events`."""

    run: str


class Cancelled(_Wire):
    """Whether there was a run to end."""

    cancelled: bool


class Deleted(_Wire):
    """How many conversations were deleted."""

    deleted: int


class ExportedMessage(BaseModel):
    """A message as it is stored (`docs/conversations.md`)."""

    model_config = ConfigDict(extra="allow")

    type: Literal["human", "ai", "tool", "system"]
    created_at: str
    run_id: str


class ExportedThread(_Wire):
    """A whole conversation."""

    id: str
    title: str | None
    created_at: str
    updated_at: str
    messages: list[ExportedMessage]
