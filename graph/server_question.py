"""A question of a tool's server to the user of its call: what a request and the state of a run have of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from graph.extensions import Extensions


@dataclass(frozen=True, slots=True)
class ServerQuestion:
    """The record of a question beside its request: that of the server (`tools.elicitation`), its `key`, and
    `of_call`, with which its call goes on (`graph.approvals.elicitations`).
    """

    members: Mapping[str, Any] = field(repr=False)


class WaitingCall(TypedDict):
    """A call that waits for its user, in the state of a run. It grants nothing."""

    asked: list[str]
    """The ids of its questions so far; the last one is open while `responses` has one less."""
    responses: dict[str, Any]
    """By the server's keys, in their order."""


def _by_call(earlier: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    calls = {**(earlier or {}), **new}
    return {call_id: call for call_id, call in calls.items() if call is not None}


def question_in(extensions: Extensions) -> Mapping[str, Any] | None:
    """The question of a server beside a request; `None` if it is no request of a server."""
    question = extensions.get(ServerQuestion)
    return None if question is None else question.members


class QuestionState(TypedDict, total=False):
    """The part of a run's state that is about questions of servers."""

    questions: Annotated[dict[str, Any], _by_call]
    """The calls whose server has asked their user, by their ids: each a `WaitingCall`."""
