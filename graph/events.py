"""What a run tells its surface while it works: plain dictionaries on LangGraph's stream mode `custom`.

    {"type": "content", "text": "Sunny"}
    {"type": "reasoning", "text": "The user asks"}
    {"type": "tool_started", "tool": "maps_weather", "service": "amap", "access_identity": "Machine",
     "call_id": "call_0bdc"}
    {"type": "tool_finished", …the same…, "ok": False, "duration_ms": 12, "error": "external_service_failed"}

`content` and `reasoning` come only if the run's context asks for streaming. No event has a tool's arguments
or result, and none has a secret.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict


class TextEvent(TypedDict):
    """A piece of the answer, or of the model's thinking."""

    type: Literal["content", "reasoning"]
    text: str


class ToolStarted(TypedDict):
    """A tool is about to run. `access_identity` is `None` for a service that needs no credential."""

    type: Literal["tool_started"]
    tool: str
    service: str
    access_identity: str | None
    call_id: str


class ToolFinished(TypedDict):
    """The tool named by `call_id` ended.

    `ok` is false if it failed. `error` is a code of the error table; it is absent where the tool itself
    reported the failure, such as an unknown city.
    """

    type: Literal["tool_finished"]
    tool: str
    service: str
    access_identity: str | None
    call_id: str
    ok: bool
    duration_ms: int
    error: NotRequired[str]


AgentEvent: TypeAlias = TextEvent | ToolStarted | ToolFinished
