"""The agent's responses as models, for the OpenAPI document and for clients that are generated from it."""

from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from graph.events import ConsentRequired, Notice, ServicesUnavailable, ToolFinished, ToolProgress, ToolStarted

_SCHEMAS: Final = "#/components/schemas/"
_DOCUMENTED: Final[dict[str, tuple[type[Any], JsonSchemaMode]]] = {}


class Wire(BaseModel):
    """Every member is listed: a response has no others."""

    model_config = ConfigDict(extra="forbid")


class StorageLimit(Wire):
    """How much may be stored: `most` of `unit`."""

    unit: Literal["bytes", "messages", "conversations"]
    most: int


class Fault(Wire):
    """An error. `message` is for the user; operators find the details in the log, by the request id.

    `service` is present if the error is about a service, `retry_after` (seconds) with the `Retry-After`
    header, `limit` if too much is stored, and, about an approval that was decided before, `decided_at` (unix
    seconds), `decided_by` (a `sub`) and `decided_on` (a device).
    """

    message: str
    type: str
    code: str
    param: str | None
    request_id: str | None
    service: str | None = None
    retry_after: int | None = None
    limit: StorageLimit | None = None
    decided_at: int | None = None
    decided_by: str | None = None
    decided_on: str | None = None


class ErrorResponse(Wire):
    """Every error of every route."""

    error: Fault


class DisplayedArgument(Wire):
    """The argument `name`, to show: `label` and `text` are printable. `text` is the argument, or its JSON."""

    name: str
    label: str
    text: str


class LastingApproval(Wire):
    """Calls that may be approved beyond this one: calls of the tool whose arguments are all within `bounds`,
    for `seconds` from the decision on, in this conversation or in all. An answer has the same members, or a
    narrower copy of some.

    Show `display`, as for arguments. A bound is `{"equal": …}`, `{"one_of": […]}`,
    `{"min": 0, "max": 500}` or `{"prefix": "P-"}`.
    """

    seconds: int
    conversation_only: bool
    bounds: dict[str, dict[str, Any]]
    display: list[DisplayedArgument]


class Question(Wire):
    """A question of a server, in its own words, and the host of the URL that it wants opened."""

    mode: Literal["form", "url"]
    message: str
    host: str | None


class Called(Wire):
    """A tool, and with whose rights it is called. `credential_kind` is the kind of the credential, by its key
    in SERVICES_FILE; of several, each, with a space between them.
    """

    service: str
    tool: str
    effect: Literal["read", "write", "external", "unknown"]
    access_identity: Literal["Machine", "Human"] | None
    audience: str | None
    scope: str | None
    credential: str | None
    credential_kind: str | None


class Approval(Called):
    """A decision that the agent waits for. Times are RFC 3339; `digest` identifies the arguments.

    Show `display`, not `arguments`: it has all digits of each number, and no character that is invisible or
    reverses others. A text of it may have line breaks: show each apart from the others.
    `read` is what the conversation has read, if the call could carry confidential data elsewhere: each a tool
    and its labels, `payroll.payslip: confidential`.

    `audience` and `scope`, or `credential`, are what the call will carry. `lasting` is null unless the
    policy offers more than this call. `approvers` is the group of which another person decides, by
    `/approvals`; null: the user. `parameters` is the JSON Schema of the arguments, if it is known. `url` is
    what the user opens, for `consent_required`. With `elicitation` the server of the tool asks `question`:
    `parameters` is the schema of its form, or `url` is to be opened.
    """

    id: str
    kind: Literal["tool_call", "consent_required", "sign_in_required", "elicitation"]
    thread_id: str
    call_id: str
    arguments: dict[str, Any]
    display: list[DisplayedArgument]
    lasting: LastingApproval | None
    digest: str
    approvers: str | None
    created_at: str
    expires_at: str
    read: list[str]
    parameters: dict[str, Any] | None = None
    url: str | None = None
    question: Question | None = None


class ApprovalRequiredEvent(Wire):
    """The run waits for a decision of the user; it goes on with `POST /threads/{id}/approvals/{id}`."""

    type: Literal["approval_required"]
    approval: Approval


class ReasoningTokens(Wire):
    """The completion tokens that were used for reasoning."""

    reasoning_tokens: int


class TokenUsage(Wire):
    """Tokens of all model calls of a run."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: ReasoningTokens


class CompletionMessage(Wire):
    """The message. `reasoning_content` is the model's reasoning, if there is any."""

    role: Literal["assistant"]
    content: str
    refusal: None
    reasoning_content: str | None = None


class Choice(Wire):
    """The only choice."""

    index: int
    message: CompletionMessage
    finish_reason: str
    logprobs: None


class Completion(Wire):
    """OpenAI's `chat.completion`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage
    agent_event: ApprovalRequiredEvent | ConsentRequired | ServicesUnavailable | None = None
    agent_notices: list[Notice] | None = None


class ChunkDelta(Wire):
    """The next part of the message; empty in a chunk with `agent_event` and in the last one."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None


class ChunkChoice(Wire):
    """The only choice; the chunk with `usage` has none."""

    index: int
    delta: ChunkDelta
    finish_reason: str | None
    logprobs: None


class CompletionChunk(Wire):
    """OpenAI's `chat.completion.chunk`, with the agent's `agent_event`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: TokenUsage | None = None
    agent_event: (
        ToolStarted
        | ToolProgress
        | ToolFinished
        | ApprovalRequiredEvent
        | ConsentRequired
        | ServicesUnavailable
        | Notice
        | None
    ) = None


class ModelEntry(Wire):
    """OpenAI's `model`."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Wire):
    """OpenAI's list of models, with the only one."""

    object: Literal["list"]
    data: list[ModelEntry]


class Health(Wire):
    """The process is up."""

    status: Literal["ok"]


class CheckResult(Wire):
    """One check of readiness; if it failed, the code of the reason."""

    ok: bool
    code: str | None = None


class ReadinessReport(Wire):
    """Whether a request can be served now."""

    status: Literal["ready", "degraded", "not_ready"]
    checks: dict[str, CheckResult]


class ProtectedResource(Wire):
    """RFC 9728, section 2."""

    resource: str
    authorization_servers: list[str]
    scopes_supported: list[str]
    bearer_methods_supported: list[Literal["header"]]
    resource_name: str


def documented_body(body: type[BaseModel] | dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """A route's `openapi_extra`: its request body, by a model or a JSON Schema."""
    schema = body if isinstance(body, dict) else reference(body, "validation")
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def documented(model: type[Any], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: `model`, with status 200 or those given."""
    content = {"application/json": {"schema": reference(model)}}
    return {code: {"description": HTTPStatus(code).phrase, "content": content} for code in statuses or (200,)}


def definitions() -> dict[str, Any]:
    """The schemas that `documented` and `documented_body` refer to, by name."""
    adapters = [(name, mode, TypeAdapter(model)) for name, (model, mode) in _DOCUMENTED.items()]
    _, schemas = TypeAdapter.json_schemas(adapters, ref_template=_SCHEMAS + "{model}")
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions


def reference(model: type[Any], mode: JsonSchemaMode = "serialization") -> dict[str, str]:
    """A reference to the schema of `model`. Given the model itself, FastAPI would build a validator of it at
    every start.
    """
    if _DOCUMENTED.setdefault(model.__name__, (model, mode)) != (model, mode):
        raise ValueError(f"there is another model {model.__name__!r}, or it is a body and a response")
    return {"$ref": _SCHEMAS + model.__name__}
