"""A task as an object: its state, what the user asked, and what the agent responded.

The history contains the user's messages, the artifacts the responses of the model: one for each, under the id
of its message, the same in events and later.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from agent.conversations.thread import is_thread_id
from graph.approvals.card import card_text
from graph.approvals.record import PendingApproval
from graph.approvals.request import approval_of
from graph.models.response import CUT_OFF
from identity.printable import rfc3339
from plugins.a2a.a2a_error import task_not_found
from plugins.a2a.members import Members, TaskState, about, data_part, text_part

RESPONSE: Final = "response"
"""The name of the artifacts."""
_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_MESSAGE: Final = "a2a-"
"""Begins the stored id of a client's message, so that it is never that of another message: the graph would
replace that one."""


@dataclass(frozen=True, slots=True)
class TaskId:
    """`context.run`: the conversation, which is A2A's context, and its run. So a task is found in its owner's
    conversation, and nowhere else.
    """

    context_id: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.context_id}.{self.run_id}"

    @classmethod
    def read(cls, text: str) -> "TaskId":
        """Raises `A2AError` (`TASK_NOT_FOUND`) for a text that is no such id."""
        context_id, _, run_id = text.rpartition(".")
        if not is_thread_id(context_id) or _RUN_ID.fullmatch(run_id) is None:
            raise task_not_found()
        return cls(context_id, run_id)


def stored_id(message_id: str) -> str:
    """The id under which the message of a client is stored."""
    return f"{_MESSAGE}{message_id}"


def task(
    task_id: TaskId, status: Members, history: Iterable[Members] = (), artifacts: Iterable[Members] = ()
) -> Members:
    """A task of A2A. Empty lists are absent."""
    members: Members = {"id": str(task_id), "contextId": task_id.context_id, "status": status}
    lists = {"artifacts": list(artifacts), "history": list(history)}
    return members | {name: elements for name, elements in lists.items() if elements}


def status_of(state: TaskState, at: float) -> Members:
    """A state since `at`, in unix seconds."""
    return {"state": state.value, "timestamp": rfc3339(at)}


def ended_by(
    state: TaskState, task_id: TaskId, text: str, at: float, code: str, **members: object
) -> Members:
    """The status of a task that ended early: why, as a text for the user, as a code, and as `members`."""
    message = _agent_message(f"{task_id.run_id}-ended", task_id, [text_part(text)], code=code, **members)
    return status_of(state, at) | {"message": message}


def waiting(task_id: TaskId, pending: PendingApproval, at: float) -> Members:
    """The status of a task that waits for its user: what is asked, as text and as the whole approval.

    It waits for the user's consent or sign-in, or for input: their decision on a call, or their answer to
    its server.
    """
    request = pending.request
    state = TaskState.INPUT_REQUIRED if request.kind.is_input else TaskState.AUTH_REQUIRED
    text = card_text(pending)
    if pending.url is not None:
        text = f"{text} {pending.url.reveal()}"
    parts = [text_part(text), data_part(approval_of(pending))]
    return status_of(state, at) | {"message": _agent_message(request.id, task_id, parts)}


def cut_off(finish_reason: object) -> Members:
    """The metadata of a task with an incomplete response: `length` or `content_filter`."""
    return about(finish_reason=finish_reason) if finish_reason in CUT_OFF else {}


def history_of(task_id: TaskId, messages: Iterable[AnyMessage]) -> list[Members]:
    """The messages of the user among `messages`."""
    return [
        {
            "messageId": (message.id or "").removeprefix(_MESSAGE),  # the client's, if it came this way
            "contextId": task_id.context_id,
            "taskId": str(task_id),
            "role": "ROLE_USER",
            "parts": [text_part(message.text)],
        }
        for message in messages
        if isinstance(message, HumanMessage)
    ]


def artifacts_of(messages: Iterable[AnyMessage]) -> list[Members]:
    """The responses of the model among `messages`."""
    return [artifact(identifier, text) for identifier, text in text_of(messages).items()]


def text_of(messages: Iterable[AnyMessage]) -> dict[str, str]:
    """The texts of the responses among `messages`, by their ids; the last form of each, if it was changed."""
    responses = [message for message in messages if isinstance(message, AIMessage)]
    texts = {response.id: response.text for response in responses if response.id}
    return {identifier: text for identifier, text in texts.items() if text}


def artifact(message_id: str, text: str) -> Members:
    """The whole response of a message, or a piece of it."""
    return {"artifactId": message_id, "name": RESPONSE, "parts": [text_part(text)]}


def with_history(members: Members, length: int | None) -> Members:
    """The task with the newest `length` messages of its history at most; `None`: with all."""
    history = members.get("history", [])
    if length is None or length >= len(history):
        return members
    others = {name: value for name, value in members.items() if name != "history"}
    return others | {"history": history[-length:]} if length else others


def _agent_message(message_id: str, task_id: TaskId, parts: Sequence[Members], **members: object) -> Members:
    return {
        "messageId": message_id,
        "contextId": task_id.context_id,
        "taskId": str(task_id),
        "role": "ROLE_AGENT",
        "parts": list(parts),
        **(about(**members) if members else {}),
    }
