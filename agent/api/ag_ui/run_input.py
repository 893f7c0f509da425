"""The body of `POST /ag-ui/agent`: AG-UI's `RunAgentInput`.

Everything in it is a claim of the client. Only what the agent uses is validated; members that it does not
know, or has no use for (`context`, `tools`), are ignored.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag
from pydantic.alias_generators import to_camel

from agent.api.messages import content_kind
from agent.api.validation_fault import json_object, validated

_Id = Annotated[str, Field(min_length=1, max_length=256)]


class _Wire(BaseModel):
    """Names are camelCase only, and nothing is converted."""

    model_config = ConfigDict(strict=True, extra="ignore", alias_generator=to_camel)


_PARTS: Final[list[JsonValue]] = [
    {"properties": {"type": {"const": "text"}, "text": {"type": "string"}}, "required": ["text"]},
    {
        "properties": {
            "type": {"const": "image"},
            "source": {
                "type": "object",
                "properties": {"type": {"const": "data"}, "value": {"type": "string"}},
                "required": ["type", "value"],
            },
        },
        "required": ["source"],
    },
]
"""For the API document: what `agent.api.ag_ui.messages.user_message` accepts."""


class ContentPart(_Wire):
    """A part of a content that is a list: text, or an image. Others are refused where they are used."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [*_PARTS]})

    type: str
    text: str | None = None
    source: dict[str, Any] | None = None


class UserInput(_Wire):
    """A message of the user."""

    id: _Id
    role: Literal["user"]
    content: Annotated[
        Annotated[str, Tag("str")] | Annotated[list[ContentPart], Field(fail_fast=True), Tag("list")],
        Discriminator(content_kind),
    ]


class CallReference(_Wire):
    """A tool call that the client has seen."""

    id: _Id


class AssistantInput(_Wire):
    """A message of the agent, by the client's account."""

    id: _Id
    role: Literal["assistant"]
    content: str | None = None
    tool_calls: Annotated[list[CallReference], Field(fail_fast=True)] | None = None


class IgnoredInput(_Wire):
    """A message that is never input: instructions of the client, results that it claims, its own display."""

    id: _Id
    role: Literal["developer", "system", "tool", "activity", "reasoning"]


InputMessage = Annotated[UserInput | AssistantInput | IgnoredInput, Field(discriminator="role")]


class ResumeEntry(_Wire):
    """The answer to one interrupt. `cancelled` means that it was dismissed without an answer."""

    interrupt_id: _Id
    status: Literal["resolved", "cancelled"]
    payload: Any = None


class RunAgentInput(_Wire):
    """The whole body."""

    thread_id: Annotated[_Id, Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]{1,64}$"})]
    """An agent that stores conversations takes no other, as its API document says."""
    run_id: _Id
    messages: Annotated[list[InputMessage], Field(fail_fast=True)]
    protocol_version: str | None = None
    parent_run_id: str | None = None
    state: Any = None
    tools: list[Any] | None = None
    context: list[Any] | None = None
    forwarded_props: Any = None
    resume: Annotated[list[ResumeEntry], Field(fail_fast=True)] = []

    def forwarded(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - any JSON value
        """A member of `forwardedProps`, which may be anything."""
        props = self.forwarded_props
        return props.get(name, default) if isinstance(props, dict) else default


def read_run_input(body: bytes) -> RunAgentInput:
    """Validates a body. Raises `RequestError` with the invalid member."""
    return validated(RunAgentInput, json_object(body))
