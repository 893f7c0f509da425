"""A response of the model, assembled from what the service sends of it: whole, or nothing.

The one place that decides what of a response counts, streamed or not. Nothing of it is parsed before its
end, and each text is kept once, so that neither work nor memory grows faster than what has arrived.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from graph.call_arguments import parse_arguments
from graph.error_codes import GraphCode
from graph.limits import MAX_CALLS
from graph.models.arrived import arrived
from graph.models.piece import JoinedPieces, Piece, thinking_kwargs
from identity.errors import ServiceError
from identity.secrets.redaction import Redactor, StreamRedactor
from identity.secrets.secret import Secret
from identity.transport.body import ResponseTooLargeError

MAX_CHARACTERS: Final = 1024 * 1024
"""Characters of one response with its thinking and its calls: far more than a model writes in its time."""
COMPLETE: Final = frozenset({"stop", "tool_calls"})
"""Finish reasons of responses that are whole."""
CUT_OFF: Final = frozenset({"length", "content_filter"})
"""Finish reasons of responses that were cut off: their text counts, their calls do not."""

_PARTS: Final = 256


class ModelResponse:
    """The response to one request with `key`, which it does not contain.

    Add what arrives and pass on each piece, then the rest; `message` is the response at its end.
    Adding raises `ResponseTooLargeError`, and `ValueError`, `TypeError`, `AttributeError` or `LookupError`
    for what is not in the form of OpenAI's chat completions.
    """

    def __init__(self, key: Secret) -> None:
        self._redactor = Redactor([key])
        self._text = _Text(key)
        self._thinking = _Text(key)
        self._pieces = JoinedPieces(_PARTS)
        self._calls: list[_Call] = []
        self._by_index: dict[object, _Call] = {}
        self._finish = ""
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._characters = 0
        self._arrived = arrived()

    @property
    def has_too_many_calls(self) -> bool:
        """Whether a call over the limit has begun: what follows of the response is not needed."""
        return len(self._calls) > MAX_CALLS

    def add(self, part: dict[str, Any]) -> Piece | None:
        """Adds an event of a streamed response, or the body of a whole one. The piece to pass on now."""
        self._usage = part.get("usage") or self._usage
        self._model = self._model or _string(part.get("model"))
        if not (choices := part.get("choices")):
            return None
        choice = choices[0]
        content = choice.get("delta") or choice.get("message") or {}
        text = self._text.add(self._counted(_content(content.get("content"))))
        thinking = self._thinking.add(self._counted(_string(content.get("reasoning_content"))))
        calls = content.get("tool_calls") or ()
        for position, call in enumerate(calls):
            self._add_call(position, call)
            if self.has_too_many_calls:
                dropped = calls[position + 1 :]
                self._arrived.characters += len(json.dumps(dropped, ensure_ascii=False)) if dropped else 0
                break
        finish = _string(choice.get("finish_reason"))
        if finish and self._finish not in ("", finish):
            raise ValueError("two finish reasons")
        self._finish = finish or self._finish
        return self._pieces.add(text, thinking)

    def rest(self) -> Piece | None:
        """The last piece. Call it once, at the end of the response."""
        return self._pieces.add(self._text.flush(), self._thinking.flush()) or self._pieces.rest()

    def message(self, message_id: str | None) -> AIMessage:
        """The response, after `rest`. Raises `ServiceError` if it is not whole."""
        calls: tuple[list[ToolCall], list[InvalidToolCall]] = ([], [])
        if self.has_too_many_calls:
            self._finish = "tool_calls"
            calls = [], [invalid_call(call.name, call.id) for call in self._calls]
        elif self._finish in COMPLETE:
            calls = parsed_calls((call.name, call.arguments, call.id) for call in self._calls)
        thinking = self._thinking.whole()
        metadata = {"finish_reason": self._finish, "model_name": self._model, "model_provider": "openai"}
        usage = _usage_metadata(self._usage) if self._usage else None
        self._arrived.usage = usage
        redact = self._redactor.redact
        message = AIMessage(
            content=self._text.whole(),
            additional_kwargs=thinking_kwargs(thinking),
            tool_calls=redact(calls[0]),
            invalid_tool_calls=redact(calls[1]),
            response_metadata=redact(metadata),
            usage_metadata=usage,
            id=message_id,
        )
        return checked(message)

    def _add_call(self, position: int, given: dict[str, Any]) -> None:
        """A call, or a piece of one. Services deviate from OpenAI's form: a later piece repeats the name or
        an empty `id`, or omits parts; several calls have one index, and differ by their `id`.
        """
        index = position if given.get("index") is None else given["index"]
        call_id = self._counted(_string(given.get("id")))
        call = self._by_index.get(index)
        if call is None or (call_id and call.id and call_id != call.id):
            call = self._by_index[index] = _Call()
            self._calls.append(call)
        call.id = call.id or call_id
        function = given.get("function") or {}
        name = self._counted(_string(function.get("name")))
        if name and call.names != [name]:
            call.names.append(name)
        call.sent += self._counted(_string(function.get("arguments"))).encode()

    def _counted(self, text: str) -> str:
        self._characters += len(text)
        self._arrived.characters += len(text)
        if self._characters > MAX_CHARACTERS:
            raise ResponseTooLargeError(MAX_CHARACTERS, "characters")
        return text


def parsed_calls(
    calls: Iterable[tuple[str, str, str | None]],
) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """The calls whose arguments are one strict JSON object, and the others, whose text is dropped.

    `calls` are names, texts of arguments as the model sent them, and ids. No arguments are an empty object.
    """
    good: list[ToolCall] = []
    bad: list[InvalidToolCall] = []
    for name, text, call_id in calls:
        arguments = parse_arguments(text or "{}")
        if arguments is None:
            bad.append(invalid_call(name, call_id))
        else:
            good.append(ToolCall(name=name, args=arguments, id=call_id, type="tool_call"))
    return good, bad


def checked(message: AIMessage) -> AIMessage:
    """`message`, without calls if it was cut off. Raises `ServiceError` if its finish reason says neither
    that it is whole nor that it was cut off: some services name failures there.
    """
    finish = message.response_metadata.get("finish_reason")
    if isinstance(finish, str) and finish in COMPLETE:
        return message
    if isinstance(finish, str) and finish in CUT_OFF:
        return without_tool_calls(message)
    detail = "the response of the model service has an unknown finish reason"
    if not finish:
        detail = "the response of the model service ended without a finish reason"
    raise ServiceError(GraphCode.MODEL_CALL_FAILED, detail)


def without_tool_calls(message: AIMessage) -> AIMessage:
    """`message` without its calls."""
    if not message.tool_calls and not message.invalid_tool_calls:
        return message
    return AIMessage(
        content=message.content,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        id=message.id,
    )


class _Text:
    """One text of a response, without the key."""

    def __init__(self, key: Secret) -> None:
        self._redactor = StreamRedactor(key)
        self._kept = bytearray()
        """UTF-8: as a string, a short piece would take 50 bytes more."""

    def add(self, piece: str) -> str:
        """The text that is complete with `piece`."""
        if not piece:
            return self._keep("")
        return self._keep(self._redactor.feed(piece))

    def flush(self) -> str:
        """After the last piece: what might have been the beginning of the key."""
        return self._keep(self._redactor.flush())

    def whole(self) -> str:
        return self._kept.decode()

    def _keep(self, text: str) -> str:
        self._kept += text.encode()
        return text


@dataclass(slots=True)
class _Call:
    """One call, in the pieces in which it arrives."""

    id: str = ""
    names: list[str] = field(default_factory=list)
    sent: bytearray = field(default_factory=bytearray)
    """The text of the arguments, as UTF-8."""

    @property
    def name(self) -> str:
        return "".join(self.names)

    @property
    def arguments(self) -> str:
        return self.sent.decode()


def invalid_call(name: str, call_id: str | None) -> InvalidToolCall:
    """A call of `name` that cannot be made, without what the model sent."""
    return InvalidToolCall(name=name, args="", id=call_id, error=None, type="invalid_tool_call")


def _string(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _content(value: object) -> str:
    """The text of a content; some services send it as parts, whose texts are joined."""
    if isinstance(value, list):
        return "".join(_string(part["text"]) for part in value if part.get("type") == "text")
    return _string(value)


def _usage_metadata(usage: Mapping[str, Any]) -> UsageMetadata:
    """The usage that the service counted, as LangChain's messages have it. What it did not count is left out
    of the details, and 0 elsewhere.
    """
    counted = _present(usage)
    sent = counted.get("prompt_tokens", 0)
    written = counted.get("completion_tokens", 0)
    of_prompt = counted.get("prompt_tokens_details") or {}
    of_completion = counted.get("completion_tokens_details") or {}
    sent_details = {
        "audio": of_prompt.get("audio_tokens"),
        "cache_read": of_prompt.get("cached_tokens"),
        "cache_creation": of_prompt.get("cache_write_tokens"),
    }
    written_details = {
        "audio": of_completion.get("audio_tokens"),
        "reasoning": of_completion.get("reasoning_tokens"),
    }
    return UsageMetadata(
        input_tokens=sent,
        output_tokens=written,
        total_tokens=counted.get("total_tokens", sent + written),
        input_token_details=cast(InputTokenDetails, _present(sent_details)),
        output_token_details=cast(OutputTokenDetails, _present(written_details)),
    )


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
