"""Who wrote a message of a conversation: its user, or a program that speaks in their name.

Only what the user has typed may say what they want. What a program wrote counts as something that was read:
an agent of another company over A2A, an MCP client, a job that prepared a run, the instructions of a client.
"""

from typing import Final, TypeVar

from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage

_WRITTEN_BY: Final = "written_by"
_SOURCE: Final = "lc_source"
"""LangChain's mark of what its middleware writes as a message of the user, such as a summary."""

Message = TypeVar("Message", bound=BaseMessage)


def by_program(message: Message, program: str) -> Message:
    """`message`, marked as written by `program`, a name for people."""
    marked = {**message.additional_kwargs, _WRITTEN_BY: program}
    return message.model_copy(update={"additional_kwargs": marked})


def program_of(message: BaseMessage) -> str | None:
    """The program that wrote `message`; `None`: the user, or the agent itself."""
    marks = message.additional_kwargs
    program = marks.get(_WRITTEN_BY, marks.get(_SOURCE))
    return None if program is None else str(program)


def stands_for_others(message: BaseMessage) -> bool:
    """Whether `message` may have the content of messages that are no longer there: a summary."""
    return message.additional_kwargs.get(_SOURCE) is not None


def is_typed_by_user(message: AnyMessage) -> bool:
    """Whether the user has typed `message` themselves."""
    return isinstance(message, HumanMessage) and program_of(message) is None
