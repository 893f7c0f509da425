"""A chat request as the planner needs it, validated as Model Studio validates it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.model_studio import message_history
from sandbox.model_studio.message_history import Message
from sandbox.model_studio.model_list import MODELS, Model
from sandbox.model_studio.planner.conversation import Conversation, Rules, Tool
from sandbox.model_studio.rejection import RejectedRequestError

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What matters of a request. Sampling parameters (temperature, seed, …) are accepted and ignored."""

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
    messages = message_history.validated(body.get("messages"))
    tools = _tools(body)
    return ChatRequest(
        model=model,
        messages=messages,
        tools=tools if body.get("tool_choice") != "none" else (),
        rules=_rules(body, tools, thinking),
        conversation=message_history.conversation(messages),
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
