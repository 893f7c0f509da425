"""The events that a run sends to its surface: plain dictionaries on LangGraph's stream mode `custom`.

    {"type": "content", "text": "Sunny"}
    {"type": "reasoning", "text": "The user asks"}
    {"type": "tool_started", "tool": "maps_weather", "service": "amap", "access_identity": "Machine",
     "call_id": "call_0bdc", "credential": "amap_api_key", "credential_kind": "api_key",
     "arguments": {"city": "Hangzhou"}}
    {"type": "tool_progress", "tool": "report", "service": "reports", "call_id": "call_0bdc", "progress": 0.4,
     "message": "Page 2 of 5"}
    {"type": "tool_finished", …the same, without the arguments…, "ok": False, "called": True,
     "duration_ms": 12, "result": "…", "error": "external_service_failed"}

    {"type": "consent_required", "service": "calendar", "call_id": "call_0bdc", "url": "https://…"}

    {"type": "services_unavailable", "services": {"amap": "external_service_failed"}}

    {"type": "notice", "code": "budget_near", "text": "You have used 83 % of …", "values": {"percent": 83}}

    {"type": "custom", "step": "guardrail", "value": {"topic": "travel"}}

    {"type": "step_started", "step": "model"}
    {"type": "response_started", "message_id": "lc_run--0199"}
    {"type": "step_finished", "step": "model"}

`content` and `reasoning` are sent only if the run's context requests streaming, and the last three only if it
requests steps. `consent_required` is sent only to the caller of a run that is not kept: a surface shows it,
stores it nowhere and gives it to no model. No event contains a secret:
of a call's credential, events contain what the service declared; the credentials of the run and the caller's
token are redacted from arguments and results.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from identity.credentials.requirement import CREDENTIAL_MEMBERS, DeclaredCredential
from identity.printable import cut
from identity.secrets.secret import Secret

MAX_CHARACTERS: Final = 4_000
"""The most characters of a call's arguments, as JSON, and of its result."""

TOO_LONG: Final[Mapping[str, str]] = {"…": "too long to show"}
"""Replaces longer arguments in an event."""

_READABLE: Final = json.JSONEncoder(ensure_ascii=False)

DECLARED: Final = ("service", "access_identity", *CREDENTIAL_MEMBERS)
"""The members of events and results that say with whose rights a tool is called."""


def shown_text(text: str) -> str:
    """The result of a call, cut to the size that is shown."""
    return cut(text, MAX_CHARACTERS)


def shown_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, or `TOO_LONG`."""
    shown = dict(arguments)
    return shown if len(_READABLE.encode(shown)) <= MAX_CHARACTERS else dict(TOO_LONG)


class TextEvent(TypedDict):
    """A piece of the response, or of the model's thinking."""

    type: Literal["content", "reasoning"]
    text: str


class StepEvent(TypedDict):
    """The run visits a node, or has left it. A node that fails or interrupts the run is not left."""

    type: Literal["step_started", "step_finished"]
    step: str


class OwnEvent(TypedDict):
    """A value that a node of the operator's own graph shows: any JSON, or `TOO_LONG`."""

    type: Literal["custom"]
    step: str
    value: Any


class ResponseStarted(TypedDict):
    """A streamed response of the model begins: pieces and tool calls that follow belong to this message."""

    type: Literal["response_started"]
    message_id: str


class ToolStarted(DeclaredCredential):
    """The model calls a tool. `access_identity` is `Machine` or `Human`, `None` for a service that needs no
    credential. `service` is `None` if no service has the tool. `arguments` are the model's, or
    `{"…": "too long to show"}` beyond 4,000 characters of JSON; empty if they were no JSON object.
    """

    type: Literal["tool_started"]
    tool: str
    service: str | None
    access_identity: str | None
    call_id: str
    arguments: dict[str, Any]


class ToolFinished(DeclaredCredential):
    """The tool named by `call_id` ended.

    `ok` is false if it failed. `error` is a code of the error table; it is absent where the tool itself
    reported the failure, such as an unknown city, and where the agent refused the call. `called` is false if
    no request was made to the service: its credential could not be obtained, its arguments were refused, the
    tool is unknown, or a limit was reached. `result` is what the model is given, cut after 4,000 characters,
    which ends it with "…". `files` are kept for the user: `{"id", "name", "media_type", "bytes"}`.
    """

    type: Literal["tool_finished"]
    tool: str
    service: str | None
    access_identity: str | None
    call_id: str
    ok: bool
    called: bool
    duration_ms: int
    result: str
    error: NotRequired[str]
    files: NotRequired[list[dict[str, Any]]]


class ToolProgress(TypedDict):
    """The tool has reported how far the call named by `call_id` is, from 0 to 1; `None`: it does not know.
    The model does not receive it.
    """

    type: Literal["tool_progress"]
    tool: str
    service: str | None
    call_id: str
    progress: float | None
    message: str


class ConsentRequired(TypedDict):
    """In a run that is not kept: the call failed because its user has to allow the access at `url`, and then
    ask again. Show the URL to this user alone, and give it to no model: an account that another person
    connects there becomes theirs.
    """

    type: Literal["consent_required"]
    service: str
    call_id: str
    url: str


class ServicesUnavailable(TypedDict):
    """`services` did not list their tools, each with the code of its failure: the run goes on without them.
    Written once in a run for each service. A service that refuses the caller is not among them.
    """

    type: Literal["services_unavailable"]
    services: dict[str, str]


class Notice(TypedDict):
    """What the caller of the run should know, and which is no part of the answer (`graph.notices`). `text` is
    English; a surface that has a text of its own for `code` shows that, with `values`. Show it to this caller
    alone.
    """

    type: Literal["notice"]
    code: str
    text: str
    values: dict[str, str | int]


def joined_unavailable(one: ServicesUnavailable | None, other: ServicesUnavailable) -> ServicesUnavailable:
    """The services of both events of one run."""
    return other if one is None else {**other, "services": one["services"] | other["services"]}


def consent_required(service: str, call_id: str, url: Secret) -> ConsentRequired:
    """The event with the URL in clear: write it to the user only."""
    return {"type": "consent_required", "service": service, "call_id": call_id, "url": url.reveal()}


AgentEvent: TypeAlias = (
    TextEvent
    | ToolStarted
    | ToolProgress
    | ToolFinished
    | ConsentRequired
    | ServicesUnavailable
    | Notice
    | StepEvent
    | ResponseStarted
    | OwnEvent
)
