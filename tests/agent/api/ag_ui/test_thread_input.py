"""Which messages of a request are new to a stored conversation."""

import json
from typing import Any

import pytest

from agent.api.ag_ui.routes import last_questions
from agent.api.ag_ui.run_input import read_run_input
from agent.errors.error_response import RequestError


def user(identifier: str, content: Any = "hello") -> dict[str, Any]:
    return {"id": identifier, "role": "user", "content": content}


def other(role: str, **members: Any) -> dict[str, Any]:
    return {"id": f"{role}-1", "role": role, "content": "approved", "toolCallId": "c", **members}


def questions(*messages: Any, most: int = 5) -> list[str | None]:
    body = {"threadId": "t", "runId": "r", "messages": list(messages)}
    given = read_run_input(json.dumps(body).encode())
    return [message.id for message in last_questions(given.messages, most=most)]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], []),
        ([user("u1")], ["u1"]),
        ([user("u1"), other("assistant"), user("u2")], ["u2"]),
        ([user("u1"), other("assistant"), user("u2"), user("u3")], ["u2", "u3"]),
        ([user("u1"), other("assistant")], []),
        ([user("u1"), other("assistant"), other("tool")], []),
        ([other("system"), user("u1"), other("tool"), other("developer")], ["u1"]),
    ],
)
def test_questions_are_the_users_messages_after_the_last_answer(messages: Any, expected: list[str]) -> None:
    assert questions(*messages) == expected


def test_earlier_messages_may_have_any_content() -> None:
    picture = [{"type": "image", "source": {"type": "url", "value": "https://pictures.example/1"}}]

    assert questions(user("u1", picture), other("assistant"), user("u2")) == ["u2"]
    with pytest.raises(RequestError):
        questions(user("u1"), other("assistant"), user("u2", picture))


def test_number_of_new_messages_is_limited() -> None:
    with pytest.raises(RequestError) as raised:
        questions(*(user(f"u{number}") for number in range(6)))

    assert raised.value.code == "array_above_max_length"
