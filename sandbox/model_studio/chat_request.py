"""A chat request, validated as Model Studio validates it, and the error bodies of refusals."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from starlette.responses import JSONResponse

from sandbox.model_studio.script import Call, Conversation, Outcome, Rules, Tool

_HELP = "For details, see: https://help.aliyun.com/zh/model-studio/error-code"


class RejectedRequestError(Exception):
    """The request cannot be served: HTTP status, the vendor's code, the parameter at fault."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_parameter_error",
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    @classmethod
    def of(cls, param: str, problem: str) -> Self:
        """A parameter that is wrong: `'n' must be 1`."""
        return cls(f"'{param}' {problem}", param=param)


def error_body(status: int) -> Mapping[str, Any]:
    """The body that goes with a status, for failures that are not the request's fault."""
    if status == 401:
        return _body(
            f"Incorrect API key provided. {_HELP}#apikey-error", "invalid_request_error", "invalid_api_key"
        )
    if status == 429:
        return _body(
            f"You have exceeded your current request limit. {_HELP}#rate-limit",
            "limit_requests",
            "limit_requests",
        )
    if status == 503:
        return _body("The model service is unavailable.", "server_error", "ModelServingError")
    return _body("An internal error has occured, please try again later.", "internal_error", "internal_error")


def refusal(error: RejectedRequestError) -> JSONResponse:
    """The response to a rejected request."""
    return JSONResponse(_body(str(error), "invalid_request_error", error.code, error.param), error.status)


def _body(message: str, kind: str, code: str, param: str | None = None) -> Mapping[str, Any]:
    return {
        "error": {"message": message, "type": kind, "param": param, "code": code},
        "request_id": secrets.token_hex(16),
    }


_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
Body = Mapping[str, Any]
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """`thinks`: unless thinking is switched off. `thinks_in_streams_only`: thinking needs `stream: true`."""

    name: str
    thinks: bool = False
    thinks_in_streams_only: bool = False

    @property
    def body(self) -> Mapping[str, Any]:
        return {
            "id": self.name,
            "object": "model",
            "created": 1_735_660_800,
            "owned_by": "sandbox stand-in",
            "description": "A stand-in: the sandbox's script, not a language model.",
        }


MODELS = {
    model.name: model
    for model in (
        Model("qwen-plus"),
        Model("qwen-turbo"),
        Model("qwen-flash"),
        Model("qwen-max"),
        Model("qwen3.5-plus", thinks=True),
        Model("qwen3.8-max", thinks=True),
        Model("qwen3-32b", thinks=True, thinks_in_streams_only=True),
        Model("qwq-plus", thinks=True, thinks_in_streams_only=True),
    )
}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The parts of a request that change the answer. Sampling parameters are accepted and ignored."""

    model: Model
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    rules: Rules
    conversation: Conversation
    stream: bool
    include_usage: bool
    thinking: bool
    thinking_budget: int | None
    max_tokens: int | None


def read(body: object) -> ChatRequest:
    """Raises `RejectedRequestError`."""
    if not isinstance(body, Mapping):
        raise RejectedRequestError("Required body invalid, please check the request body format.")
    model = _model(body)
    stream = _flag(body, "stream")
    options = body.get("stream_options")
    if options is not None and not stream:
        raise RejectedRequestError.of("stream_options", "is only allowed when 'stream' is true")
    if body.get("n", 1) != 1:
        raise RejectedRequestError.of("n", "must be 1")
    thinking = _thinking(body, model, stream)
    messages = _messages(body.get("messages"))
    tools = _tools(body)
    return ChatRequest(
        model=model,
        messages=messages,
        tools=tools if body.get("tool_choice") != "none" else (),
        rules=_rules(body, tools, thinking),
        conversation=_conversation(messages),
        stream=stream,
        include_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
        thinking=thinking,
        thinking_budget=_limit(body, "thinking_budget"),
        max_tokens=_limit(body, "max_tokens") or _limit(body, "max_completion_tokens"),
    )


def _model(body: Body) -> Model:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise RejectedRequestError("you must provide a model parameter", param="model")
    if name not in MODELS:
        text = f"The model `{name[:64]}` does not exist or you do not have access to it."
        raise RejectedRequestError(text, status=404, code="model_not_found")
    return MODELS[name]


def _thinking(body: Body, model: Model, stream: bool) -> bool:
    thinking = _flag(body, "enable_thinking", default=model.thinks)
    if thinking and model.thinks_in_streams_only and not stream:
        raise RejectedRequestError("parameter.enable_thinking must be set to false for non-streaming calls")
    return thinking


def _tools(body: Body) -> tuple[Tool, ...]:
    given = body.get("tools") or []
    if not isinstance(given, list):
        raise RejectedRequestError.of("tools", "must be an array")
    return tuple(_tool(item, f"tools.[{i}]") for i, item in enumerate(given))


def _tool(item: object, where: str) -> Tool:
    is_function = isinstance(item, Mapping) and item.get("type") == "function"
    function = item.get("function") if isinstance(item, Mapping) and is_function else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise RejectedRequestError.of(where, "must be a function with a name")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(parameters, Mapping) or parameters.get("type") != "object":
        raise RejectedRequestError.of(where + ".function.parameters", "must be of type object")
    return Tool(name, str(function.get("description") or ""), parameters)


def _rules(body: Body, tools: Sequence[Tool], thinking: bool) -> Rules:
    choice = body.get("tool_choice", "auto")
    parallel = _flag(body, "parallel_tool_calls")
    if choice in ("auto", "none", None):
        return Rules(parallel=parallel)
    function = choice.get("function") if isinstance(choice, Mapping) else None
    forced = function.get("name") if isinstance(function, Mapping) else None
    if not (choice == "required" and tools) and forced not in [tool.name for tool in tools]:
        raise RejectedRequestError.of("tool_choice", "must be none, auto, required or name one of the tools")
    if thinking:
        raise RejectedRequestError(
            "The tool_choice parameter does not support being set to required or object in thinking mode",
            param="tool_choice",
        )
    return Rules(must_call=forced is None, forced=forced, parallel=parallel)


def _flag(body: Body, name: str, *, default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise RejectedRequestError.of(name, "must be a boolean")
    return value


def _limit(body: Body, name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise RejectedRequestError.of(name, "must be a positive integer")
    return value


def _messages(messages: object) -> tuple[Message, ...]:
    """The messages, each tool call followed by its answer. Raises `RejectedRequestError`."""
    if not isinstance(messages, list) or not messages:
        raise RejectedRequestError("[] is too short - 'messages'", param="messages")
    waiting: list[str] = []
    for i, message in enumerate(messages):
        where = f"messages.[{i}].role"
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            raise RejectedRequestError.of(where, "must be one of " + ", ".join(_ROLES))
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise RejectedRequestError(
                    'messages with role "tool" must be a response to a preceeding message with "tool_calls".',
                    param=where,
                )
            waiting.remove(message["tool_call_id"])
        elif waiting:
            raise _unanswered(where)
        calls = message.get("tool_calls") or ()
        waiting += [_call_id(call, f"messages.[{i}].tool_calls") for call in calls]
    if waiting:
        raise _unanswered("messages")
    return tuple(messages)


def text_of(content: object) -> str:
    """The text of a message's content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, Mapping))
    return "\n".join(part for part in parts if isinstance(part, str))


def _conversation(messages: Sequence[Message]) -> Conversation:
    """The last question, those before it (newest first), and the outcomes of the calls since the last one."""
    questions = [i for i, message in enumerate(messages) if message["role"] == "user"]
    if not questions:
        return Conversation("")
    calls: dict[str, Call] = {}
    outcomes = []
    for message in messages[questions[-1] + 1 :]:
        for call in message.get("tool_calls") or ():
            calls[call["id"]] = Call(call["function"]["name"], _arguments(call) or {})
        if message["role"] == "tool" and (made := calls.get(message["tool_call_id"])):
            outcomes.append(Outcome(made, text_of(message.get("content"))))
    question, *earlier = (text_of(messages[i].get("content")) for i in reversed(questions))
    system = (text_of(m.get("content")) for m in messages if m["role"] in ("system", "developer"))
    return Conversation(question, tuple(earlier), tuple(outcomes), "\n\n".join(system))


def _call_id(call: object, where: str) -> str:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        raise RejectedRequestError.of(where, "must be functions")
    if not isinstance(call.get("id"), str) or not isinstance(function.get("name"), str):
        raise RejectedRequestError.of(where, "must have an id and a name")
    if _arguments(call) is None:
        raise RejectedRequestError(
            'The "function.arguments" parameter of the code model must be in JSON format.', param=where
        )
    return str(call["id"])


def _arguments(call: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        arguments = json.loads(call["function"].get("arguments") or "{}")
    except (TypeError, ValueError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _unanswered(param: str) -> RejectedRequestError:
    return RejectedRequestError(
        'An assistant message with "tool_calls" must be followed by tool messages responding to each '
        '"tool_call_id".',
        param=param,
    )
