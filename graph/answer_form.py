"""The form that a caller requests of the answer of a run: one JSON object, which may have to fit a schema."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from graph.call_arguments import parse_arguments
from graph.context import AgentContext, context_of
from graph.error_codes import AnswerFormError
from identity.transport.json_size import TooLargeError
from tools.arguments.validator import BoundedValidator

Ask: TypeAlias = Callable[[Sequence[AnyMessage]], Awaitable[AIMessage]]
"""Asks a model, without tools."""

_FENCED: Final = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n```\Z", re.DOTALL)
_NO_OBJECT: Final = "it is not one JSON object"


@dataclass(frozen=True, slots=True)
class AnswerFault:
    """Why an answer does not have its form. `problem` is for the model, and may quote the answer."""

    place: str
    problem: str

    def correction(self, answer: AIMessage) -> list[AnyMessage]:
        """The text that asks the model once more after `answer`."""
        words = f"Your answer does not have the required form: at {self.place}, {self.problem}. Answer again."
        return [AIMessage(str(answer.text) or "(nothing)"), HumanMessage(words)]


class AnswerForm:
    """Beside the context of a run: what its answer must be. Nothing shows the schema but the prompt.

    Bounded: the size and depth of the schema, and the work of a check. Not checked: regular expressions,
    `format`, `unevaluatedProperties`, and references to other documents (`BoundedValidator`).
    """

    __slots__ = ("_schema", "_validator")

    def __init__(self, schema: Mapping[str, Any] | None = None) -> None:
        """With `None`, any JSON object. Raises `ValueError` for a schema that is malformed, too large, or of
        something that is no object.
        """
        self._schema: Final = schema
        self._validator: Final = None if schema is None else _validator_of(schema)

    @property
    def has_schema(self) -> bool:
        """Whether the prompt has a schema of the caller's."""
        return self._schema is not None

    def instructed(self, prompt: Sequence[AnyMessage]) -> list[AnyMessage]:
        """`prompt` with the instruction to answer in this form, at the end of its first system message."""
        words = (
            "When you need no more tools, your answer is one JSON object and nothing else: no other text, no"
            " code fence."
        )
        if self._schema is not None:
            schema = json.dumps(self._schema, ensure_ascii=False)
            words = f"{words} It fits this JSON Schema, which only says what the answer contains:\n{schema}"
        if not prompt or not isinstance(first := prompt[0], SystemMessage):
            return [SystemMessage(words), *prompt]
        return [SystemMessage(f"{first.text}\n\n{words}", id=first.id), *prompt[1:]]

    def check(self, text: str, finish_reason: str) -> None:
        """Raises `AnswerFormError` if `text`, the answer of a run with this end, does not have this form."""
        self.required(AIMessage(text, response_metadata={"finish_reason": finish_reason}))

    def required(self, response: AIMessage) -> AIMessage:
        """As `fitted`. Raises `AnswerFormError`."""
        fitted = self.fitted(response)
        if isinstance(fitted, AnswerFault):
            raise AnswerFormError(fitted.place)
        return fitted

    def fitted(self, response: AIMessage) -> AIMessage | AnswerFault:
        """`response` with its JSON alone, or why it does not have this form. One that calls tools is no
        answer, and has no text then; one that was cut off stays as it is, because its end says so.
        """
        if response.tool_calls or response.invalid_tool_calls:
            return response.model_copy(update={"content": ""})
        if response.response_metadata.get("finish_reason") not in ("stop", "tool_calls"):
            return response
        text = str(response.text).strip()
        if fenced := _FENCED.fullmatch(text):
            text = fenced[1].strip()
        value = parse_arguments(text) if text else None
        if value is None:
            return AnswerFault("$", _NO_OBJECT)
        if self._validator is not None and (faults := self._validator.faults(value)):
            return AnswerFault(_json_path(faults[0].argument), faults[0].problem)
        return response.model_copy(update={"content": text})


async def answered(
    form: AnswerForm,
    ask: Callable[[Sequence[AnyMessage]], Awaitable[AIMessage]],
    messages: Sequence[AnyMessage],
) -> AIMessage:
    """The answer of `ask` to `messages`, in `form`. Raises `AnswerFormError`."""
    asked = form.instructed(messages)
    response = await ask(asked)
    fitted = form.fitted(response)
    if isinstance(fitted, AnswerFault):
        return form.required(await ask([*asked, *fitted.correction(response)]))
    return fitted


def answer_form_of(runtime: Runtime[AgentContext]) -> AnswerForm | None:
    """The form that the caller of the run requests of its answer."""
    return context_of(runtime).extensions.get(AnswerForm)


def _validator_of(schema: Mapping[str, Any]) -> BoundedValidator:
    if schema.get("type", "object") != "object":
        raise ValueError('must be the schema of an object: "type" must be "object"')
    try:
        return BoundedValidator(schema)
    except TooLargeError as error:
        raise ValueError(f"is too large: {error}") from None
    except Exception:  # noqa: BLE001 - a schema from outside makes the library raise anything
        raise ValueError("must be a JSON Schema") from None


def _json_path(dotted: str) -> str:
    parts = dotted.split(".") if dotted else []
    return "$" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)
