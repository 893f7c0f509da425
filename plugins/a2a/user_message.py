"""The user's message for a task: text that begins one, or the decision that a waiting task continues with.

    {"parts": [{"text": "Apply for three days of leave"}]}
    {"taskId": …, "parts": [{"data": {"approval": …, "decision": "approve"}}]}

Text is never a decision.
"""

import uuid
from typing import Annotated, Any, TypeVar

from langchain_core.messages import HumanMessage
from pydantic import BaseModel, Field

from agent.api.attachments import Image, content_of
from agent.api.threads.models import Decision
from agent.conversations.thread import is_thread_id
from agent.errors.error_response import RequestError
from graph.authorship import by_program
from plugins.a2a.a2a_error import A2ACode, A2AError, invalid_params
from plugins.a2a.members import TEXT
from plugins.a2a.parameters import Message, Part, SendConfiguration, read_params
from plugins.a2a.task import stored_id

_CONTENTS = ("text", "raw", "url", "data")
_TEXT_MODES = frozenset({TEXT, "text", "text/*", "*/*", "*"})

ApprovalId = Annotated[str, Field(min_length=1, max_length=64)]
M = TypeVar("M", bound=BaseModel)


class ApprovalDecision(Decision):
    """The decision of a user on one approval, by its id."""

    approval: ApprovalId


def check_configuration(configuration: SendConfiguration) -> None:
    """Raises `A2AError` for what the agent cannot do."""
    if configuration.task_push_notification_config is not None:
        raise A2AError(A2ACode.PUSH_NOTIFICATION_NOT_SUPPORTED, "The agent sends no push notifications")
    modes = configuration.accepted_output_modes
    if modes and _TEXT_MODES.isdisjoint(mode.partition(";")[0].strip().lower() for mode in modes):
        raise A2AError(A2ACode.CONTENT_TYPE_NOT_SUPPORTED, f"The agent responds with {TEXT}")


def context_of(message: Message) -> str:
    """The context of a message that begins a task: the client's, or a new one. Raises `A2AError`."""
    context_id = message.context_id or uuid.uuid4().hex
    if not is_thread_id(context_id):
        raise invalid_params("message.contextId", "expected 1 to 64 letters, digits, - and _")
    return context_id


def question(message: Message, most_images: int = 0) -> HumanMessage:
    """The message for the graph. Raises `A2AError` for another part than text or an image, for more than
    `most_images`, and without a text.
    """
    parts: list[str | Image] = []
    for number, part in enumerate(message.parts):
        content = _content(part, number)
        is_text = (part.media_type or "text/").lower().startswith("text/")
        if content == "raw":
            parts.append(Image(part.raw, part.filename or "image"))
        elif content == "text" and part.text is not None and is_text:
            parts.append(f"\n{part.text}" if parts and isinstance(parts[-1], str) else part.text)
        else:
            problem = f"message.parts[{number}]: only text, and images as raw, are supported"
            raise A2AError(A2ACode.CONTENT_TYPE_NOT_SUPPORTED, problem)
    try:
        attached = content_of(parts, "message.parts", most_images)
    except RequestError as error:
        raise A2AError(A2ACode.CONTENT_TYPE_NOT_SUPPORTED, f"{error.param}: {error.problem}") from None
    asked = HumanMessage(attached, id=stored_id(message.message_id))
    if not asked.text.strip():
        raise invalid_params("message.parts", "expected a text")
    return by_program(asked, "an A2A client")


def decision(message: Message) -> ApprovalDecision | None:
    """The decision in a message; `None` if it is text alone. Raises `A2AError` for any other one."""
    contents = [_content(part, number) for number, part in enumerate(message.parts)]
    for number, content in enumerate(contents):
        if content not in ("text", "data"):
            problem = f"message.parts[{number}]: expected a text, or a decision as data"
            raise A2AError(A2ACode.CONTENT_TYPE_NOT_SUPPORTED, problem)
    if "data" not in contents:
        return None
    if len(contents) > 1:
        raise invalid_params("message.parts", "a decision must be the only part")
    return data_of(ApprovalDecision, message)


def data_of(model: type[M], message: Message) -> M:
    """The data of the message's only part. Raises `A2AError`."""
    return read_params(model, _with_integers(message.parts[0].data), "message.parts[0].data")


def _content(part: Part, number: int) -> str:
    """The name of the part's only content. Raises `A2AError` if there is none or more than one."""
    names = [name for name in _CONTENTS if name in part.model_fields_set]
    if len(names) != 1:
        problem = f"expected one of {', '.join(_CONTENTS)}, found {len(names)}"
        raise invalid_params(f"message.parts[{number}]", problem)
    return names[0]


def _with_integers(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """`value` with whole numbers as integers. Protocol buffers have none in data, and write 3.0 for 3."""
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case list():
            return [_with_integers(element) for element in value]
        case dict():
            return {name: _with_integers(member) for name, member in value.items()}
    return value
