"""The parameters of A2A's methods.

Members that the agent has no use for (`tenant`, `metadata`, `extensions`) are ignored. Names may have either
form that protocol buffers allow, `messageId` and `message_id`.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from agent.api.validation_fault import validated
from agent.errors.error_response import RequestError
from plugins.a2a.a2a_error import invalid_params

ListedState = Literal[
    "TASK_STATE_UNSPECIFIED",
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_REJECTED",
    "TASK_STATE_AUTH_REQUIRED",
]
"""A2A's states, also those that no task of the agent has."""


class _Wire(BaseModel):
    """Nothing is converted."""

    model_config = ConfigDict(
        strict=True, extra="ignore", alias_generator=to_camel, validate_by_alias=True, validate_by_name=True
    )


class Part(_Wire):
    """A part of a message: one of `text`, `raw`, `url` and `data`."""

    text: str | None = None
    raw: Any = None
    url: Any = None
    data: Any = None
    media_type: str | None = None
    filename: str | None = None


class Message(_Wire):
    """A message of the user. `task_id` names the task that it answers."""

    message_id: Annotated[str, Field(min_length=1, max_length=256)]
    context_id: str | None = None
    task_id: str | None = None
    role: Literal["ROLE_USER"]
    parts: Annotated[list[Part], Field(min_length=1, fail_fast=True)]


class SendConfiguration(_Wire):
    """How the client wants the response."""

    accepted_output_modes: list[str] | None = None
    history_length: Annotated[int, Field(ge=0)] | None = None
    return_immediately: bool | None = None
    task_push_notification_config: Any = None


class SendParams(_Wire):
    """Parameters of `SendMessage` and `SendStreamingMessage`."""

    message: Message
    configuration: SendConfiguration | None = None


class TaskParams(_Wire):
    """Parameters of `GetTask`, `CancelTask` and `SubscribeToTask`."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    history_length: Annotated[int, Field(ge=0)] | None = None


class ListParams(_Wire):
    """Parameters of `ListTasks`. As in protocol buffers, an empty text is an absent member."""

    context_id: str | None = None
    status: ListedState | None = None
    page_size: Annotated[int, Field(ge=1, le=100)] | None = None
    page_token: Annotated[str, Field(max_length=256)] | None = None
    history_length: Annotated[int, Field(ge=0)] | None = None
    status_timestamp_after: str | None = None
    include_artifacts: bool | None = None


P = TypeVar("P", bound=BaseModel)


def read_params(model: type[P], params: Any, within: str = "") -> P:  # noqa: ANN401 - any JSON value
    """The parameters of a method, or their member `within`. Raises `A2AError` with the invalid member."""
    try:
        return validated(model, params)
    except RequestError as fault:
        named = ".".join(filter(None, (within, fault.param)))
        raise invalid_params(named or None, fault.problem) from None
