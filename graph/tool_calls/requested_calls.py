"""The tool calls of the model: their form, and which of them have no result yet."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage

from graph.call_arguments import are_valid_arguments
from graph.limits import MAX_CALLS
from graph.state import AgentState
from identity.errors import AgentError
from identity.observation.request_context import REQUEST_ID
from tools.service_name import service_of

_MAX_IDENTIFIER: Final = 128
"""Characters of an identifier that is kept. Longer ones are replaced."""

BAD_ARGUMENTS: Final = (
    "the arguments must be one JSON object, nested no deeper than 32 levels, with integers of at most 64 bits"
    " (longer numbers as text); call again with valid JSON"
)

_TOO_MANY_CALLS: Final = f"not run: the response has more than {MAX_CALLS} calls"


def failure_text(error: AgentError, node: str) -> str:
    """A failure of a service as the model reads it: the code, and the person's text with the request id."""
    return f"{error.code}: {error.of(service_of(node)).for_person(REQUEST_ID.get())}"


def refusal(call: ToolCall, text: str) -> ToolMessage:
    """The result of a call that is not run."""
    return ToolMessage(text, tool_call_id=call["id"] or "", name=call["name"], status="error")


def pending_tool_calls(messages: Sequence[AnyMessage]) -> list[ToolCall]:
    """The tool calls of the latest response that have no result yet."""
    answered: set[str] = set()
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            answered.add(message.tool_call_id)
        elif isinstance(message, AIMessage):
            return [call for call in message.tool_calls if call["id"] not in answered]
        else:
            break
    return []


def latest_response(messages: Sequence[AnyMessage]) -> AIMessage | None:
    """The latest response of the model: that of the pending calls."""
    return next((message for message in reversed(messages) if isinstance(message, AIMessage)), None)


def with_arguments(response: AIMessage, call: ToolCall, arguments: Mapping[str, Any]) -> AIMessage:
    """`response` with other arguments of `call`. Its id is that of `response`, which it replaces.

    It has no token usage, which was counted for `response`.
    """
    calls = list(response.tool_calls)
    for position, other in enumerate(calls):
        if other["id"] == call["id"]:
            calls[position] = ToolCall(
                name=other["name"], args=dict(arguments), id=other["id"], type="tool_call"
            )
    return response.model_copy(update={"tool_calls": calls, "usage_metadata": None})


def accepted_calls(state: AgentState) -> list[tuple[ToolCall, str]]:
    """The pending calls that the model node of this run accepted, each with its service."""
    accepted = state.get("accepted") or {}
    pending = pending_tool_calls(state["messages"]) if accepted else []
    return [(call, accepted[call["id"]]) for call in pending if call["id"] in accepted]


def asked_calls(state: AgentState) -> dict[str, Any]:
    """The accepted calls whose server has asked their user: call id → `WaitingCall`."""
    questions = state.get("questions")
    if not questions:
        return {}
    waiting: dict[str, Any] = {}
    for call, _ in accepted_calls(state):
        call_id = str(call["id"])
        question = questions.get(call_id)
        if isinstance(question, dict) and question.get("asked"):
            waiting[call_id] = question
    return waiting


def called_services(state: AgentState) -> set[str]:
    """The services of the accepted calls."""
    return {service for _, service in accepted_calls(state)}


def call_identifiers(messages: Iterable[AnyMessage]) -> set[str]:
    """The identifiers of all calls and results in `messages`."""
    identifiers: set[str] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            identifiers.add(message.tool_call_id)
        elif isinstance(message, AIMessage):
            identifiers.update(str(call["id"]) for call in message.tool_calls)
    return identifiers


def normalize_tool_calls(
    response: AIMessage, taken: Collection[str] = ()
) -> tuple[AIMessage, dict[str, str]]:
    """`response` with its calls in a form that can be run and sent back, and why others are not run, by id.

    Above `MAX_CALLS`, the first calls are refused and the others dropped. Each call gets an identifier of
    its own, which is none of `taken`: what is known of a call is found by it. Arguments that are not a JSON
    object, or are nested too deeply, are refused and replaced by an empty object, because the model service
    would reject them when they are sent back.
    """
    if not response.tool_calls and not response.invalid_tool_calls:
        return response, {}
    calls: dict[str, ToolCall] = {}
    refused: dict[str, str] = {}
    requested = [*response.tool_calls, *response.invalid_tool_calls]
    for call in requested[:MAX_CALLS]:
        identifier = call["id"]
        is_taken = identifier in calls or identifier in taken
        if not identifier or is_taken or len(identifier) > _MAX_IDENTIFIER:
            identifier = f"call_{uuid.uuid4().hex}"
        good = are_valid_arguments(call["args"])
        arguments = cast(dict[str, Any], call["args"]) if good else {}
        calls[identifier] = ToolCall(
            name=call["name"] or "unknown", args=arguments, id=identifier, type="tool_call"
        )
        if len(requested) > MAX_CALLS:
            refused[identifier] = _TOO_MANY_CALLS
        elif not good:
            refused[identifier] = BAD_ARGUMENTS
    clean = AIMessage(
        content=response.content,
        additional_kwargs={
            key: value for key, value in response.additional_kwargs.items() if key != "tool_calls"
        },
        response_metadata=response.response_metadata,
        usage_metadata=response.usage_metadata,
        id=response.id,
        tool_calls=list(calls.values()),
    )
    return clean, refused
