"""What the agent answers, as models: for the API document, and for whoever makes a client of it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Wire(BaseModel):
    """Every member is listed: an answer has no others."""

    model_config = ConfigDict(extra="forbid")


class Fault(_Wire):
    """What went wrong. `message` is for the person who asked; operators find the rest in the log, by the id.

    `service` is there if it is about a service, `retry_after` (seconds) with the `Retry-After` header.
    """

    message: str
    type: str
    code: str
    param: str | None
    request_id: str | None
    service: str | None = None
    retry_after: int | None = None


class ErrorAnswer(_Wire):
    """Every error of every route."""

    error: Fault


class ReasoningTokens(_Wire):
    """The part of the answer's tokens that the model thought with."""

    reasoning_tokens: int


class TokenUsage(_Wire):
    """Tokens of all model calls of a run."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: ReasoningTokens


class AnswerMessage(_Wire):
    """The answer. `reasoning_content` is what the model thought, if it did."""

    role: Literal["assistant"]
    content: str
    refusal: None
    reasoning_content: str | None = None


class Choice(_Wire):
    """There is one."""

    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: None


class Completion(_Wire):
    """OpenAI's `chat.completion`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage


class _ToolCallEvent(_Wire):
    tool: str
    service: str
    access_identity: Literal["Machine", "Human"] | None
    call_id: str
    audience: str | None = None
    scope: str | None = None
    credential: str | None = None


class ToolStartedEvent(_ToolCallEvent):
    """A tool is about to be called. `audience` and `scope`, or `credential`, are what its service declared.

    `arguments` are the model's, or `{"…": "too long to show"}` beyond 4,000 characters of JSON.
    """

    type: Literal["tool_started"]
    arguments: dict[str, Any]


class ToolFinishedEvent(_ToolCallEvent):
    """The call ended. `called` is false if no request was made of the service: its credential could not be
    obtained, or the arguments were refused. `result` is what the model is given, at most 4,000 characters and
    then "…". `error` is a code of the error table.
    """

    type: Literal["tool_finished"]
    ok: bool
    called: bool
    duration_ms: int
    result: str
    error: str | None = None


class ChunkDelta(_Wire):
    """What is added to the answer; empty in a chunk with `agent_event` and in the last one."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None


class ChunkChoice(_Wire):
    """There is one, or none in the chunk with `usage`."""

    index: int
    delta: ChunkDelta
    finish_reason: str | None
    logprobs: None


class CompletionChunk(_Wire):
    """OpenAI's `chat.completion.chunk`, and what the agent adds to it."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: TokenUsage | None = None
    agent_event: ToolStartedEvent | ToolFinishedEvent | None = None


class ModelEntry(_Wire):
    """OpenAI's `model`."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(_Wire):
    """OpenAI's list of models: the one."""

    object: Literal["list"]
    data: list[ModelEntry]


class Health(_Wire):
    """The process is up."""

    status: Literal["ok"]


class CheckResult(_Wire):
    """One of the things that a request needs; if it is missing, why, in the operators' words."""

    ok: bool
    code: str | None = None
    detail: str | None = None
    symptom: str | None = None
    cause: str | None = None
    remedy: str | None = None


class ReadinessAnswer(_Wire):
    """Whether a request could be served now."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, CheckResult]


class ProtectedResource(_Wire):
    """RFC 9728, section 2."""

    resource: str
    authorization_servers: list[str]
    scopes_supported: list[str]
    bearer_methods_supported: list[Literal["header"]]
    resource_name: str


def answers(model: type[BaseModel], **statuses: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the model of status 200, and of others as `_503=…`."""
    found: dict[int | str, dict[str, Any]] = {200: {"model": model}}
    return found | {int(name.removeprefix("_")): {"model": each} for name, each in statuses.items()}
