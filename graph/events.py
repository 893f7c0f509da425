"""What a run tells its surface while it works: plain dictionaries on LangGraph's stream mode `custom`.

    {"type": "content", "text": "Sunny"}
    {"type": "reasoning", "text": "The user asks"}
    {"type": "tool_started", "tool": "maps_weather", "service": "amap", "access_identity": "Machine",
     "call_id": "call_0bdc", "credential": "amap_api_key"}
    {"type": "tool_finished", …the same…, "ok": False, "duration_ms": 12, "error": "external_service_failed"}

`content` and `reasoning` come only if the run's context asks for streaming. No event has a tool's arguments
or result, and none has a secret: of the credential that a call carries they tell what the service declared.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from identity.credential import AccessToken, ApiKey, CredentialNeed


class TextEvent(TypedDict):
    """A piece of the answer, or of the model's thinking."""

    type: Literal["content", "reasoning"]
    text: str


class DeclaredCredential(TypedDict, total=False):
    """What a service declared that its calls carry; empty if they carry nothing."""

    audience: str
    """Of an access token: whom it is for."""
    scope: str
    """Of an access token: the permission, without the audience."""
    credential: str
    """Of an API key: the identifier under which IDaaS keeps it."""


def declared_credential(need: CredentialNeed | None) -> DeclaredCredential:
    """The members of a tool's events that tell of `need`."""
    match need:
        case AccessToken():
            named: DeclaredCredential = {"audience": need.audience} if need.audience is not None else {}
            return {**named, "scope": need.permission}
        case ApiKey(identifier):
            return {"credential": identifier}
        case None:
            return {}


class ToolStarted(DeclaredCredential):
    """A tool is about to run. `access_identity` is `None` for a service that needs no credential."""

    type: Literal["tool_started"]
    tool: str
    service: str
    access_identity: str | None
    call_id: str


class ToolFinished(DeclaredCredential):
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
