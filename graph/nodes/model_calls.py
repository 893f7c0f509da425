"""A response of the model: its request, whole or in pieces, and who learns of it.

Each request is opened and closed here. The audit log, which has one record for all requests of a response, is
first and can stop it; then a span and a measure for each request. The text of an exception is in none of
them: services put content into it.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolMessage
from langgraph.types import StreamWriter

from graph.call_measures import PROVIDER, CallMeasures
from graph.credentials.service_credentials import ServiceCredential, ServiceRequirement
from graph.error_codes import GraphCode
from graph.events import ResponseStarted, TextEvent
from graph.models.arrived import arrived
from graph.models.budget import ModelBudget
from graph.models.own_chat_model import OwnChatModel
from graph.models.piece import Piece
from graph.models.provider import ModelProvider
from graph.models.response import checked
from graph.nodes.counted_response import CountedResponse, bounded, bounded_usage
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import Credential
from identity.errors import ServiceError
from identity.observation.attribute import Attribute
from identity.observation.metrics import error_type
from identity.observation.span import Span, SpanKind, timed_span
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from tools.service import send_with_credential

_NO_KEY: Final = Secret("")
"""For a provider that has its own."""
_ROLES: Final = {"human": "user", "ai": "assistant"}


class ModelCall(NamedTuple):
    """A request for a response to `prompt`, which may call `tools`.

    With a `writer`, the response is requested in pieces, and text and thinking are written as they arrive; if
    `announced`, after the identifier of their message. `images` are the digests of those in `prompt`.
    """

    prompt: Sequence[AnyMessage]
    tools: Sequence[dict[str, Any]] = ()
    writer: StreamWriter | None = None
    announced: bool = False
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """The responses of one model, `name`. Its key is that of `requirement`; `None`: the key is static, or the
    provider's own. `seconds` bounds the time of each request, and each of `budgets` what a caller may use.
    """

    provider: ModelProvider
    name: str | None
    requirement: ServiceRequirement | None
    audit: AuditTrail
    measures: CallMeasures
    seconds: float
    budgets: Sequence[ModelBudget] = ()

    @property
    def api(self) -> str:
        """The API of the model, as measures and spans name it. A provider need not say it."""
        return getattr(self.provider, "api", PROVIDER)

    def of(self, chat: OwnChatModel) -> "ModelCalls":
        """The responses of a model with a key of its own, within the same limits and on the same records."""
        return ModelCalls(chat, chat.name, None, self.audit, self.measures, self.seconds, self.budgets)

    async def response(
        self, call: ModelCall, key: ServiceCredential | Secret | None, caller: VerifiedAccessToken
    ) -> AIMessage:
        """The response. A credential that the service refuses is renewed once. Without a `key`, the provider
        has its own.

        Raises as `request` and `ModelBudget` do, and `AuditError` if it cannot be recorded.
        """

        async def send(credential: Credential) -> AIMessage | ServiceError:
            return await self.request(call, credential.secret)

        required = self.requirement
        credential = required.credential if required else None
        acts_as = required.access_identity if required else None
        recorded = self.audit.call(AuditedAction.MODEL_CALL, credential, acts_as, caller, model=self.name)
        async with recorded as step:
            step.found(files=call.images or None)
            characters = _characters_sent(call) if self.budgets else 0
            async with CountedResponse(self.budgets, caller, self.name or "", characters):
                if isinstance(key, ServiceCredential):
                    response = await send_with_credential(
                        key, send, lambda sent: isinstance(sent, ServiceError)
                    )
                else:
                    response = await self.request(call, key)
                if isinstance(response, ServiceError):
                    raise response
            if (reported := bounded_usage(response.usage_metadata)) is not None:
                step.found(input_tokens=reported["input_tokens"], output_tokens=reported["output_tokens"])
        return response

    async def request(self, call: ModelCall, key: Secret | None) -> AIMessage | ServiceError:
        """The response of the model; or the error, if the key was refused (401) before any piece arrived.

        Any other failure raises `ServiceError`, also a response that takes too long or is not whole
        (`graph.models.response.checked`).
        """
        model = self.name or ""
        labels = "chat", self.api, model
        secrets = [] if key is None else [key]
        timed = timed_span(self.measures.inference, labels, "chat", model, SpanKind.CLIENT)
        with timed:
            span = timed.span
            if span.recording:
                span.set(Attribute.OPERATION, "chat")
                span.set(Attribute.PROVIDER, self.api)
                span.set(Attribute.MODEL, model)
                span.set(Attribute.STREAMED, call.writer is not None)
            if span.content:
                span.set(Attribute.INPUT_MESSAGES, message_content(call.prompt, secrets))

            def first_chunk() -> None:
                seconds = timed.elapsed
                self.measures.first_chunk.observe(seconds, *labels)
                span.set(Attribute.FIRST_CHUNK, seconds)

            reader = call.writer and _Reader(call.writer, first_chunk, announced=call.announced)
            response = await self._complete(call, key, reader)
            if isinstance(response, ServiceError):
                timed.fail(error_type(response))
                return response
            self._count(response, span, labels)
            if span.content:
                span.set(Attribute.OUTPUT_MESSAGES, message_content([response], secrets))
        return response

    async def _complete(
        self, call: ModelCall, key: Secret | None, reader: "_Reader | None"
    ) -> AIMessage | ServiceError:
        fault = "the response was empty"
        response = None
        try:
            async with asyncio.timeout(self.seconds):
                response = await self.provider.complete(
                    call.prompt, call.tools, api_key=key or _NO_KEY, reader=reader
                )
        except ServiceError as error:
            if error.status == 401 and (reader is None or not reader.begun):
                return error
            raise
        except TimeoutError:
            fault = f"no complete response within {self.seconds:g} s"
        if not isinstance(response, AIMessage):
            raise ServiceError(GraphCode.MODEL_CALL_FAILED, fault)
        _note(response)
        response = checked(response)
        if reader is not None and not reader.begun:  # of a provider that does not stream
            await reader.begin(response.id)
            thinking = response.additional_kwargs.get("reasoning_content") or ""
            await reader.read(Piece(str(response.text), thinking))
        return response

    def _count(self, response: AIMessage, span: Span, labels: tuple[str, ...]) -> None:
        """Counts the tokens of `response`, which is whole or cut off."""
        if (used := bounded_usage(response.usage_metadata)) is not None:
            measures = self.measures
            measures.input_tokens.add(*labels, amount=used["input_tokens"])
            measures.output_tokens.add(*labels, amount=used["output_tokens"])
            span.set(Attribute.INPUT_TOKENS, used["input_tokens"])
            span.set(Attribute.OUTPUT_TOKENS, used["output_tokens"])
            if reasoning := bounded(used.get("output_token_details", {}).get("reasoning", 0)):
                measures.reasoning_tokens.add(*labels, amount=reasoning)
                span.set(Attribute.REASONING_TOKENS, reasoning)
        if span.recording and (reason := response.response_metadata.get("finish_reason")):
            span.set(Attribute.FINISH_REASONS, (reason,))


def _characters_sent(call: ModelCall) -> int:
    """The characters of the prompt and the tools. Images are not counted."""
    tools = len(json.dumps(call.tools, ensure_ascii=False)) if call.tools else 0
    return len(message_content(call.prompt, ())) + tools


def _note(response: AIMessage) -> None:
    """Notes what has arrived with `response`, before its end is checked and its calls may be dropped. What
    reads the pieces has counted more, if arguments were dropped meanwhile.
    """
    so_far = arrived()
    dropped = sum(len(call["name"] or "") + len(call["args"] or "") for call in response.invalid_tool_calls)
    so_far.characters = max(so_far.characters, len(message_content([response], ())) + dropped)
    so_far.usage = response.usage_metadata or so_far.usage


class _Reader:
    """Writes the pieces of a response as events."""

    def __init__(self, writer: StreamWriter, first_chunk: Callable[[], None], *, announced: bool) -> None:
        self._writer = writer
        self._first_chunk = first_chunk
        self._announced = announced
        self.begun = False
        """Whether any of the response has arrived."""

    async def begin(self, message_id: str | None) -> None:
        self.begun = True
        self._first_chunk()
        if self._announced and message_id:
            self._writer(ResponseStarted(type="response_started", message_id=message_id))

    async def read(self, piece: Piece) -> None:
        if piece.thinking:
            self._writer(TextEvent(type="reasoning", text=piece.thinking))
        if piece.text:
            self._writer(TextEvent(type="content", text=piece.text))


def message_content(messages: Iterable[AnyMessage], secrets: Sequence[Secret]) -> str:
    """`messages` as JSON, without `secrets`. Images and other parts that are no text are left out."""
    return json.dumps(redact([_message(message) for message in messages], secrets), ensure_ascii=False)


def _message(message: BaseMessage) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if isinstance(message, ToolMessage):
        parts.append({"type": "tool_call_response", "id": message.tool_call_id, "response": message.text})
    else:
        if thought := message.additional_kwargs.get("reasoning_content"):
            parts.append({"type": "reasoning", "content": thought})
        if text := str(message.text):
            parts.append({"type": "text", "content": text})
    if isinstance(message, AIMessage):
        parts += [
            {"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["args"]}
            for call in message.tool_calls
        ]
    return {"role": _ROLES.get(message.type, message.type), "parts": parts}
