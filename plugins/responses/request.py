"""The body of `POST /openai/v1/responses`: what is new in it, and to what it is added."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import takewhile
from typing import Any, Final

from langchain_core.messages import AnyMessage, SystemMessage

from agent.api.messages import require_few
from agent.api.openai_body import NOT_KEPT, form_of_schema, read_body
from agent.api.threads.models import Decision
from agent.api.validation_fault import validated
from agent.conversations.thread import is_thread_id
from agent.errors.error_response import RequestError
from graph.answer_form import AnswerForm
from plugins.responses.items import (
    ApprovalResponse,
    Item,
    ItemReference,
    McpCall,
    Message,
    Shown,
    history,
    instruction,
    question,
    read_items,
)
from plugins.responses.parameters import NEUTRAL, Conversation, Refused, ResponseBody, Text
from plugins.responses.response_id import ResponseId, approval_id_of


@dataclass(frozen=True, slots=True)
class Continued:
    """The conversation to which a request adds. `run_id` must be its latest run; `None`: whichever is."""

    thread_id: str
    run_id: str | None
    unknown: RequestError
    """The refusal if the caller has no such response: the same whether there is none, or another's."""


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A validated request: new messages, or decisions about what a run waits for, never both."""

    _: KW_ONLY
    messages: Sequence[AnyMessage] = ()
    decisions: Mapping[str, object] = field(default_factory=dict)
    """The answers to approvals, by the ids of these."""
    instructions: Sequence[SystemMessage] = ()
    thread_id: str | None = None
    """The conversation; `None`: nothing is stored."""
    continued: Continued | None = None
    stream: bool = False
    form: AnswerForm | None = None
    echo: Mapping[str, Any] = field(default_factory=dict)
    """Members of the response that repeat the request."""


def read_response_request(
    body: bytes, *, stores: bool, max_messages: int, most_images: int = 0
) -> ResponseRequest:
    """Validates a body. Raises `RequestError` with the invalid member and OpenAI's code for the fault.

    `stores` is whether the agent keeps conversations; `most_images` is how many a message may have.
    """
    wire = read_body(body, ResponseBody, Refused, neutral=NEUTRAL, why=_WHY)
    items = read_items(wire.input)
    leading = list(takewhile(lambda item: isinstance(item, Message) and item.instructs, items))
    instructions = [SystemMessage(wire.instructions)] if wire.instructions else []
    continued = _continued(wire, items, stores=stores)
    asked = ResponseRequest(stream=bool(wire.stream), form=_form(wire.text), echo=_echo(wire))
    if continued is None and not _is_stored(wire, items, stores=stores):
        _require_no_decision(items)
        messages = [*instructions, *history(items, most_images)]
        require_few(messages, max_messages, "items")
        return replace(asked, messages=messages)
    thread_id = uuid.uuid4().hex if continued is None else continued.thread_id
    _require_of_thread(items, thread_id)
    first = max(len(leading), _after_last_known(items))
    new = list(enumerate(items))[first:]
    of_thread = replace(asked, thread_id=thread_id, continued=continued)
    if any(isinstance(item, ApprovalResponse) for _, item in new):
        if asked.form is not None:
            problem = "not allowed with a decision: the answer of a run that waited has no form"
            raise RequestError("text.format", problem, code="unsupported_value")
        return replace(of_thread, decisions=_decisions(new))
    questions = [_question(item, position, most_images) for position, item in new]
    if not questions:
        raise RequestError("input", "expected a message of the user after the last response")
    instructions += [_instruction(item, position) for position, item in enumerate(leading)]
    require_few([*instructions, *questions], max_messages, "new messages")
    return replace(of_thread, messages=questions, instructions=instructions)


def response_not_found() -> RequestError:
    """The refusal of an id that names no response of the caller."""
    return RequestError(None, "There is no such response", code="response_not_found", status=404)


_WHY: Final = {
    "background": "a response ends with its request",
    "tools": "the agent has its own tools, and offers the client's to no model",
    "tool_choice": "the agent has its own tools, among which the model chooses",
}


def _continued(wire: ResponseBody, items: Sequence[Item], *, stores: bool) -> Continued | None:
    """What the request continues: by name, or by an earlier item that it sends back."""
    conversation_id = _conversation_id(wire.conversation)
    previous = wire.previous_response_id
    if conversation_id is not None and previous is not None:
        raise RequestError("conversation", "not allowed with previous_response_id")
    for name, value in (("conversation", conversation_id), ("previous_response_id", previous)):
        if value is not None and wire.store is False:
            problem = "not allowed when store is false: a conversation keeps what is added to it"
            raise RequestError(name, problem, code="unsupported_value")
        if value is not None and not stores:
            raise RequestError(name, NOT_KEPT, code="unsupported_value")
    if conversation_id is not None:
        return Continued(conversation_id, None, response_not_found())
    if previous is not None:
        return _of_response(previous)
    if wire.store is False or not stores:
        _require_no_reference(items)
        return None
    return _of_items(items)


def _conversation_id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        try:
            value = validated(Conversation, value).id
        except RequestError as fault:
            name = ".".join(filter(None, ("conversation", fault.param)))
            raise RequestError(name, fault.problem, code=fault.code) from None
    if not is_thread_id(value):
        raise RequestError("conversation", "expected 1 to 64 letters, digits, - and _", code="invalid_value")
    return value


def _of_response(previous: str) -> Continued:
    problem = "there is no such response"
    unknown = RequestError("previous_response_id", problem, code="previous_response_not_found")
    named = ResponseId.read(previous)
    if named is None:
        raise unknown
    return Continued(named.thread_id, named.run_id, unknown)


def _of_items(items: Sequence[Item]) -> Continued | None:
    """By the last item of a stored response, or by the question that a decision answers."""
    position = _after_last_known(items) - 1
    if position >= 0:
        last = _known(items[position])
        if last is not None:
            return Continued(last.thread_id, last.run_id, _no_item(f"input[{position}].id"))
    for number, item in enumerate(items):
        if isinstance(item, ItemReference):
            raise _no_item(f"input[{number}].id")
        if isinstance(item, ApprovalResponse):
            unknown = _no_item(f"input[{number}].approval_request_id")
            named = ResponseId.of_item(item.approval_request_id)
            if named is None:
                raise unknown
            return Continued(named.thread_id, named.run_id, unknown)
    return None


def _after_last_known(items: Sequence[Item]) -> int:
    """The position after the last item that names a stored response; 0 if none does."""
    return max((position + 1 for position, item in enumerate(items) if _known(item)), default=0)


def _known(item: Item) -> ResponseId | None:
    """The stored response of an earlier item."""
    match item:
        case ItemReference() | Shown(id=str()) | McpCall(id=str()) | Message(role="assistant", id=str()):
            return ResponseId.of_item(item.id or "")
    return None


def _require_of_thread(items: Sequence[Item], thread_id: str) -> None:
    """Raises `RequestError` for an earlier item of another conversation than the one that is continued."""
    for position, item in enumerate(items):
        named = _known(item)
        if named is not None and named.thread_id != thread_id:
            raise RequestError(f"input[{position}].id", "the item is of another conversation")


def _no_item(param: str) -> RequestError:
    problem = "there is no such item: the agent has only those of stored responses"
    return RequestError(param, problem, code="item_not_found", status=404)


def _is_stored(wire: ResponseBody, items: Sequence[Item], *, stores: bool) -> bool:
    """Whether a request that continues nothing begins a conversation. The agent stores no answers that a
    client tells it.
    """
    if wire.store is False:
        return False
    told = [position for position, item in enumerate(items) if _is_told(item)]
    if wire.store and told:
        problem = "not stored: name the response before by previous_response_id, or set store to false"
        raise RequestError(f"input[{told[0]}]", problem, code="unsupported_value")
    if wire.store and not stores:
        raise RequestError("store", NOT_KEPT, code="unsupported_value")
    return stores and not told


def _is_told(item: Item) -> bool:
    return not isinstance(item, Message) or item.role == "assistant"


def _require_no_reference(items: Sequence[Item]) -> None:
    for position, item in enumerate(items):
        if isinstance(item, ItemReference):
            raise _no_item(f"input[{position}].id")


def _require_no_decision(items: Sequence[Item]) -> None:
    for position, item in enumerate(items):
        if isinstance(item, ApprovalResponse):
            problem = "a response that is not stored waits for no decision"
            raise RequestError(f"input[{position}]", problem, code="unsupported_value")


def _instruction(item: Item, position: int) -> SystemMessage:
    assert isinstance(item, Message)  # noqa: S101 - one of `leading`
    return instruction(item, f"input[{position}]")


def _question(item: Item, position: int, most_images: int) -> AnyMessage:
    where = f"input[{position}]"
    if not isinstance(item, Message) or item.role != "user":
        raise RequestError(where, "in a stored conversation, only messages of the user can be new")
    return question(item, where, most_images)


def _decisions(new: Sequence[tuple[int, Item]]) -> dict[str, object]:
    answers: dict[str, object] = {}
    for position, item in new:
        if not isinstance(item, ApprovalResponse):
            raise RequestError(f"input[{position}]", "a decision must be alone: send the rest afterwards")
        approval_id = approval_id_of(item.approval_request_id) or ""
        if approval_id in answers:
            raise RequestError(
                f"input[{position}].approval_request_id", "there is a decision about it before"
            )
        answers[approval_id] = _answer(item, f"input[{position}]")
    return answers


def _answer(item: ApprovalResponse, where: str) -> dict[str, Any]:
    """In the form of `graph.approvals.answer`. A reason without effect, to approve, is not passed on."""
    decision: dict[str, Any] = {"decision": "reject", "message": item.reason}
    if item.approve:
        decision = {"decision": "approve" if item.arguments is None else "edit"}
    try:
        return validated(Decision, decision | {"arguments": item.arguments}).answer()
    except RequestError as fault:
        raise RequestError(f"{where}.{fault.param}", fault.problem, code=fault.code) from None


def _form(text: Text | None) -> AnswerForm | None:
    """The form that the answer must have. Raises `RequestError` without any of the schema."""
    wanted = None if text is None else text.format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return AnswerForm()
    for member, value in (("name", wanted.name), ("schema", wanted.schema_)):
        if value is None:
            problem = "must be set for this type"
            raise RequestError(f"text.format.{member}", problem, code="missing_required_parameter")
    return form_of_schema(wanted.schema_, "text.format.schema")


def _echo(wire: ResponseBody) -> dict[str, Any]:
    wanted = None if wire.text is None else wire.text.format
    form: dict[str, Any] = {"type": "text"}
    if wanted is not None:
        form = wanted.model_dump(by_alias=True, exclude_none=True)
    return {
        "instructions": wire.instructions,
        "metadata": wire.metadata or {},
        "previous_response_id": wire.previous_response_id,
        "text": {"format": form},
    }
