"""Which messages of a request are new to a conversation.

Clients send all messages that they have. Of these only those of the user count that follow the last one of
the assistant and are not stored yet.
"""

from collections.abc import Sequence

from langchain_core.messages import AnyMessage, HumanMessage

from agent.api.ag_ui.messages import user_message
from agent.api.ag_ui.run_input import AssistantInput, InputMessage, UserInput
from agent.errors.error_response import RequestError


def last_questions(given: Sequence[InputMessage], *, most: int) -> list[HumanMessage]:
    """The messages of the user after the last one of the assistant, in order. Other roles are skipped.

    Raises `RequestError` if there are more than `most`, or one is not text.
    """
    questions: list[HumanMessage] = []
    for index in range(len(given) - 1, -1, -1):
        message = given[index]
        if isinstance(message, AssistantInput):
            break
        if isinstance(message, UserInput):
            questions.append(user_message(message, index))
    if len(questions) > most:
        found = f"expected at most {most} new messages, found {len(questions)}"
        raise RequestError("messages", found, code="array_above_max_length")
    return questions[::-1]


def unknown(questions: Sequence[HumanMessage], stored: Sequence[AnyMessage]) -> list[HumanMessage]:
    """Those of `questions` that are not in `stored`, by their ids."""
    known = {message.id for message in stored}
    return [question for question in questions if question.id not in known]
