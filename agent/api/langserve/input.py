"""The request bodies of LangServe's routes, validated before LangServe reads them."""

from typing import Annotated, Final, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from agent.api.messages import first_fault, langchain_conversation
from agent.errors.error_response import RequestError
from identity.strict_json import read_value

MAX_BATCH: Final = 32


def _converted(given: object) -> list[AnyMessage]:
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError("must be a list of at least one message")
    try:
        return langchain_conversation(given)
    except ValidationError as error:
        raise ValueError(first_fault(error).message) from None
    except RequestError as error:
        raise ValueError(error.message) from None


# Without the discriminator pydantic tries every type, and `AIMessage` fails on an object of another one.
_Message = Annotated[HumanMessage | AIMessage | SystemMessage | ToolMessage, Field(discriminator="type")]


class ChatInput(BaseModel):
    """A conversation, in LangChain's or OpenAI's messages."""

    messages: Annotated[list[_Message], BeforeValidator(_converted)] = Field(
        json_schema_extra={"widget": {"type": "chat", "input": "messages"}}
    )


def read_inputs(body: bytes, *, batch: bool, most: int) -> tuple[str, list[object]]:
    """The name of the member with the inputs, and at most `most` inputs, which are not validated yet."""
    try:
        given = read_value(body)
    except ValueError:
        raise RequestError(None, "body: must be JSON", status=422) from None
    name = "inputs" if batch else "input"
    if not isinstance(given, dict) or name not in given:
        raise RequestError(name, "must be given", status=422)
    if given.get("config", {}) is None:
        raise RequestError("config", "must be an object, or not given", status=422)
    inputs = given[name] if batch else [given[name]]
    if not isinstance(inputs, list) or not 0 < len(inputs) <= most:
        raise RequestError(name, f"must be a list of 1 to {most} inputs", status=422)
    return name, inputs


def validate_input(given: object, name: str, max_messages: int) -> list[AnyMessage]:
    """The messages of one input. `name` is the member that contains it. Raises `RequestError`."""
    try:
        messages = ChatInput.model_validate(given).messages
    except ValidationError as error:
        fault = first_fault(error, within=name)
        raise RequestError(fault.param, fault.problem, status=422) from None
    if len(messages) > max_messages:
        raise RequestError(name, f"at most {max_messages} messages, found {len(messages)}", status=422)
    return cast(list[AnyMessage], messages)
