"""The requests of `/threads`, validated, and its responses as models for the API document.

A fault of a body or a query parameter is a 400 that names the member.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from agent.api.call_grant import CallGrant
from agent.api.response_models import Approval, Wire
from agent.api.validation_fault import Body
from agent.conversations.thread import MAX_TITLE, one_line
from agent.errors.error_response import RequestError
from graph.approvals.answer import MAX_MESSAGE
from graph.call_arguments import are_valid_arguments

Status = Literal["idle", "running", "paused", "interrupted", "failed"]
MAX_PAGE: Final = 200
_MAX_SEARCH: Final = 200


class ThreadModel(Wire):
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


class ThreadList(Wire):
    """A page of conversations, the last changed first. `next` is the `before` of the next page."""

    threads: list[ThreadModel]
    next: str | None


class MessagePage(Wire):
    """AG-UI's messages, the oldest first. `next` is the `before` of the page before it."""

    messages: list[dict[str, Any]]
    next: int | None


class RunReference(Wire):
    """A run."""

    id: str


class WholeThread(ThreadModel, MessagePage):
    """A conversation with its newest messages, the approvals it waits for, and the run that is going on."""

    approvals: list[Approval]
    run: RunReference | None


class StartedRun(Wire):
    """A run has begun, or goes on; its events are at `/threads/{thread_id}/events`."""

    run: str


class Cancelled(Wire):
    """Whether there was a run to end."""

    cancelled: bool


class Deleted(Wire):
    """How many conversations were deleted."""

    deleted: int


class ExportedMessage(BaseModel):
    """A message as it is stored (`docs/conversations-api.md`)."""

    model_config = ConfigDict(extra="allow")

    type: Literal["human", "ai", "tool", "system"]
    created_at: str
    run_id: str
    replaced: bool


class ExportedApproval(Wire):
    """A question about a call, and what came of it. `edited`: the call was approved with other arguments
    than it was proposed with; both are in `messages`, under the id of the response that has the call.
    `decided_by` and `decided_on` are a `sub` and a device, if the owner may know them. `grant`: nobody was
    asked about the call, which this grant covered.
    """

    id: str
    kind: str
    call_id: str
    service: str
    tool: str
    access_identity: Literal["Machine", "Human"] | None
    approvers: str | None
    rules: list[str]
    created_at: str
    status: Literal["open", "approved", "used", "rejected", "withdrawn", "expired"]
    edited: bool
    decided_at: str | None
    decided_by: str | None
    decided_on: str | None
    grant: CallGrant | None


class ExportedThread(Wire):
    """A whole conversation. `data` of its files is base64."""

    id: str
    title: str | None
    created_at: str
    updated_at: str
    messages: list[ExportedMessage]
    approvals: list[ExportedApproval]
    files: list[dict[str, Any]]


def _title(value: str) -> str:
    if not (title := one_line(value)):
        raise ValueError("expected a text that can be read")
    return title


def _arguments(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is not None and not are_valid_arguments(value):
        raise ValueError("expected a JSON object, nested at most 32 levels, with integers of at most 64 bits")
    return value


_Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE), AfterValidator(_title)]


class NewThread(Body):
    """The body of `POST /threads`. The agent chooses an identifier if there is none."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    title: _Title | None = None


class ThreadChange(Body):
    """The body of `PATCH /threads/{thread_id}`."""

    title: _Title


class NewVersion(Body):
    """The body of `POST /threads/{thread_id}/versions`. Without `content`, the question is asked again."""

    message_id: Annotated[str, Field(min_length=1, max_length=256)]
    content: Annotated[str, Field(min_length=1)] | None = None


_NONE: Final[JsonValue] = {"type": "null"}
_DECISIONS: Final[list[JsonValue]] = [
    {"properties": {"decision": {"const": "approve"}, "arguments": _NONE, "message": _NONE}},
    {
        "properties": {"decision": {"const": "edit"}, "arguments": {"type": "object"}, "message": _NONE},
        "required": ["arguments"],
    },
    {"properties": {"decision": {"const": "reject"}, "arguments": _NONE, "lasting": _NONE}},
    {"properties": {"decision": {"const": "cancel"}, "arguments": _NONE, "message": _NONE, "lasting": _NONE}},
]
"""For the API document: what `Decision.answer` accepts."""


class Decision(Body):
    """The answer to an approval. `arguments` replace all of the call's, with `edit`; `message` is for the
    model, with `reject`; `lasting` approves more than this call, as it was offered or less. To the question
    of a server, `edit` answers with the content of its form, and `cancel` dismisses it.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [*_DECISIONS]})

    decision: Literal["approve", "edit", "reject", "cancel"]
    arguments: Annotated[dict[str, Any], AfterValidator(_arguments)] | None = None
    message: Annotated[str, Field(max_length=MAX_MESSAGE)] | None = None
    lasting: dict[str, Any] | None = None

    def answer(self) -> dict[str, Any]:
        """In the form of `graph.approvals.answer`. Raises `RequestError` for members that do not fit."""
        if (self.arguments is not None) != (self.decision == "edit"):
            problem = "must be given" if self.decision == "edit" else 'only allowed with "edit"'
            raise RequestError("arguments", problem)
        if self.message is not None and self.decision != "reject":
            raise RequestError("message", 'only allowed with "reject"')
        if self.decision in ("reject", "cancel"):
            if self.lasting is not None:
                raise RequestError("lasting", f'not allowed with "{self.decision}"')
            if self.decision == "cancel":
                return {"action": "cancel"}
            return {"approved": False, "message": self.message}
        return {"approved": True, "arguments": self.arguments, "lasting": self.lasting}


Search = Annotated[str, Field(max_length=_MAX_SEARCH)]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE)]
