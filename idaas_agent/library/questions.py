"""Questions about calls, asked by LangGraph's `interrupt`, and the answers, each bound to what was asked.

LangGraph hands answers over by the order in which `interrupt` is called within a task, which is run again,
whole, at each resume. So the questions of a task are known here in their order: the first call that comes in
a task that runs again takes all answers, and each is kept for the calls that its question was about, however
they arrive. What `interrupt` returns for a question that was not asked in this process is no answer.

Whether a call is made is not decided here: an answer becomes an approval (`graph.approvals.record`), which
counts for this user, thread, service, tool, identity, permission and these arguments, once, and in time.
"""

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from cachetools import LRUCache
from langchain_core.messages import ToolCall
from langgraph.errors import GraphInterrupt
from langgraph.types import interrupt

from graph.approvals.answer import Answer, parse_answer
from graph.approvals.gate import REJECTED
from graph.approvals.pending_call import PendingCall
from graph.approvals.record import PendingApproval
from graph.approvals.request import interrupt_value
from graph.call_arguments import arguments_digest
from idaas_agent.library.place import Place
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ApprovalError
from identity.principal import Principal
from identity.secrets.redaction import redact

_TASKS: Final = 10_000
_CALLS: Final = 10_000
_EXECUTIONS: Final = 4
"""Times that a task was run whose order of questions is known. Work of an earlier one may still go on."""
_MOST_UNUSABLE: Final = 20
"""Answers in succession that are none, after which the calls are rejected: the state is saved for each."""
_ANOTHER_QUESTION: Final = "not run: the answer was one to another question"
_ANOTHER_USER: Final = "not run: another user was asked about this call"
_NO_ANSWER: Final = "not run: the answers were none"


class Decisions(Protocol):
    """Reads and keeps the decisions about calls of some services."""

    def may_decide(self, caller: VerifiedAccessToken) -> bool:
        """Whether the access token of `caller` has not expired, and is a person's."""

    async def keep(self, asked: PendingApproval, caller: VerifiedAccessToken) -> None:
        """Records and keeps a new question."""

    async def read(self, value: object, asked: PendingApproval, caller: VerifiedAccessToken) -> Answer:
        """The answer in `value`. Raises `ApprovalError` if it is none, or does not fit."""

    async def approve(
        self, asked: PendingApproval, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> bool:
        """Keeps and records the approval of `arguments`. False if it does not count."""

    async def reject(self, asked: PendingApproval, caller: VerifiedAccessToken) -> None:
        """Keeps and records the rejection, if it counts."""


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A call that its user is asked about, and whose decisions are `decisions`."""

    pending: PendingCall
    approval: PendingApproval
    decisions: Decisions


@dataclass(slots=True, eq=False)
class _Question:
    """One interrupt of a task, which was raised for `calls`."""

    value: dict[str, Any]
    calls: Sequence[AskedCall]
    counts: bool = True
    """False: whoever answers has not seen it as its user, so that it is asked again."""
    is_answered: bool = False

    @property
    def id(self) -> str:
        return str(self.value["id"])


@dataclass(slots=True)
class _Execution:
    """One time that LangGraph runs a task: `scratchpad` is its object for that."""

    scratchpad: object
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: int = 0
    """Calls without an id so far."""
    has_settled: bool = False
    raised: _Question | None = None
    """The question with which this execution ends."""


@dataclass(slots=True)
class _Task:
    """A task of LangGraph, over all its executions."""

    asked: list[_Question | None] = field(default_factory=list)
    """By the order of its interrupts. `None`: it was not asked in this process."""
    executions: list[_Execution] = field(default_factory=list)
    """The newest last."""

    def execution(self, scratchpad: object) -> _Execution:
        for known in self.executions:
            if known.scratchpad is scratchpad:
                return known
        self.executions = [*self.executions[1 - _EXECUTIONS :], _Execution(scratchpad)]
        return self.executions[-1]


@dataclass(slots=True)
class _KnownCall:
    """A call about which somebody was asked, whoever makes it with whatever arguments."""

    asked: Principal | None = None
    """Who was asked."""
    refusal: str | None = None
    """Why it is not made: they have declined."""
    edited: ToolCall | None = None
    """The call as they have approved it, with other arguments than the model's."""


class Questions:
    """The questions of one process."""

    def __init__(self) -> None:
        self._tasks: LRUCache[tuple[str, str], _Task] = LRUCache(_TASKS)
        self._calls: LRUCache[tuple[str, ...], _KnownCall] = LRUCache(_CALLS)

    def knows(self, place: Place) -> bool:
        """Whether a question of the task was asked in this process."""
        task = self._known(place)
        return task is not None and bool(task.asked)

    def is_known(self, place: Place, earlier: int, question_id: str) -> bool:
        """Whether this question, after `earlier` answers of the task, was asked in this process, and no other
        one by another process since.
        """
        task = self._known(place)
        asked = () if task is None else task.asked[earlier : earlier + 1]
        return any(question is not None and question.id == question_id for question in asked)

    def restore(
        self, place: Place, earlier: int, value: Mapping[str, Any], calls: Sequence[AskedCall]
    ) -> None:
        """The question with `value` was asked by another process, after `earlier` answers of the task."""
        unknown: list[_Question | None] = [None] * earlier
        question = _Question(dict(value), [_without_messages(call) for call in calls])
        self._tasks.setdefault(_task_key(place), _Task()).asked = [*unknown, question]
        for call in calls:
            self._known_call(call.pending).asked = call.pending.principal

    def belongs_to(self, pending: PendingCall, owner: Principal) -> None:
        """Another process has asked `owner` about a call."""
        self._known_call(pending).asked = owner

    def void(self, place: Place) -> None:
        """An answer that comes with this execution of the task is none: who gave it was not verified.
        LangGraph keeps it in the checkpoint, where it would count for the next run, whoever starts that.
        """
        task = self._known(place)
        if task is None:
            return
        for question in task.asked:
            if question is not None and not question.is_answered:
                question.counts = False

    def id_at(self, place: Place) -> str | None:
        """The id of a call that has none, by its order in its task: the same when the task runs again. `None`
        where no task does.
        """
        if place.conversation is None:
            return None
        task = self._tasks.setdefault(_task_key(place), _Task())
        execution = task.execution(place.execution)
        execution.calls += 1
        return f"call {execution.calls}"

    def refusal(self, pending: PendingCall) -> str | None:
        """Why the call is not made: its user has declined, or it is another's."""
        call = self._calls.get(_key_of(pending))
        if call is None:
            return None
        if call.asked is not None and call.asked != pending.principal:
            return _ANOTHER_USER
        return call.refusal

    def with_edits(self, pending: PendingCall) -> PendingCall:
        """The call with the arguments that its user has approved in place of those of the model."""
        call = self._calls.get(_key_of(pending))
        if call is None or call.edited is None or call.asked != pending.principal:
            return pending
        return replace(pending, call=call.edited)

    async def settle(self, place: Place, caller: VerifiedAccessToken) -> None:
        """Takes the answers that this execution of the task has, once, in the order of the questions.

        Raises `GraphInterrupt` if a question of the task has no answer yet.
        """
        task = self._known(place)
        if task is None:
            return
        execution = task.execution(place.execution)
        async with execution.lock:
            if execution.raised is not None:
                interrupt(execution.raised.value)
            if execution.has_settled:
                return
            await self._take_answers(task, execution, place, caller)
            execution.has_settled = True

    async def ask(self, place: Place, calls: Sequence[AskedCall], caller: VerifiedAccessToken) -> None:
        """Asks about all `calls` at once: raises `GraphInterrupt`."""
        task = self._tasks.setdefault(_task_key(place), _Task())
        execution = task.execution(place.execution)
        async with execution.lock:
            if execution.raised is not None:
                interrupt(execution.raised.value)
            question = _Question(_value(calls, caller), [_without_messages(call) for call in calls])
            while True:
                try:
                    interrupt(question.value)
                except GraphInterrupt:
                    for call in calls:
                        if not call.approval.asked:
                            await call.decisions.keep(call.approval, caller)
                        self._known_call(call.pending).asked = call.pending.principal
                    execution.raised = question
                    task.asked.append(question)
                    raise
                task.asked.append(None)  # an answer that came before the question is none

    async def _take_answers(
        self, task: _Task, execution: _Execution, place: Place, caller: VerifiedAccessToken
    ) -> None:
        """Keeps the decisions of all answers. One that cannot be used is asked for again."""
        number = 0
        while number < len(task.asked):
            question = task.asked[number]
            number += 1
            shown = None if question is None else question.value
            try:
                value = interrupt(shown)
            except GraphInterrupt:
                if question is None:  # the state was set back: what came before the question is gone
                    del task.asked[number - 1 :]
                    return
                execution.raised = question
                raise
            if question is None or question.is_answered or number < len(task.asked):
                continue  # it was taken when it came
            question.counts &= await _is_shown(question, number - 1, place)
            if await self._bind(question, value, caller):
                continue
            if task.asked.count(question) >= _MOST_UNUSABLE:
                await self._reject_all(question, caller, _NO_ANSWER)
            else:
                task.asked.append(question)

    async def _bind(self, question: _Question, value: object, caller: VerifiedAccessToken) -> bool:
        """Keeps the decisions of `value`. False if it is no answer, so that the question is asked again."""
        if not question.counts:
            return True
        if any(call.pending.principal != caller.principal for call in question.calls):
            question.counts = False
            return True
        if not all(call.decisions.may_decide(caller) for call in question.calls):
            return False
        if _names_another(value, question.id):
            await self._reject_all(question, caller, _ANOTHER_QUESTION)
            return True
        decisions = _decisions(value, len(question.calls))
        if decisions is None:
            return False
        for call, decision in zip(question.calls, decisions, strict=True):
            await self._decide(call, decision, caller)
        question.is_answered = True
        return True

    async def _decide(self, call: AskedCall, decision: object, caller: VerifiedAccessToken) -> None:
        """Keeps the decision about one call. One that does not fit is a rejection which says why."""
        asked = call.approval
        try:
            answer = await call.decisions.read(decision, asked, caller)
        except AgentError as error:
            await call.decisions.reject(asked, caller)
            reason = error.detail if isinstance(error, ApprovalError) else error.code
            self._known_call(call.pending).refusal = f"not run: {reason}"
            return
        if not answer.approved:
            await call.decisions.reject(asked, caller)
            words = json.dumps(answer.message, ensure_ascii=False) if answer.message else None
            refusal = f"{REJECTED} Their own words: {words}" if words else REJECTED
            self._known_call(call.pending).refusal = refusal
            return
        arguments = dict(answer.arguments or {})
        is_kept = await call.decisions.approve(asked, arguments, caller)
        if is_kept and arguments_digest(arguments) != asked.request.digest:
            edited = ToolCall({**call.pending.call, "args": arguments})
            self._known_call(call.pending).edited = edited

    async def _reject_all(self, question: _Question, caller: VerifiedAccessToken, reason: str) -> None:
        for call in question.calls:
            await call.decisions.reject(call.approval, caller)
            self._known_call(call.pending).refusal = reason
        question.is_answered = True

    def _known_call(self, pending: PendingCall) -> _KnownCall:
        """The record of a call, to which something is added."""
        return self._calls.setdefault(_key_of(pending), _KnownCall())

    def _known(self, place: Place) -> _Task | None:
        return None if place.conversation is None else self._tasks.get(_task_key(place))


async def _is_shown(question: _Question, number: int, place: Place) -> bool:
    """Whether the task waits with this question, as its interrupt of that number. Code of the application may
    have interrupted the same task: LangGraph shows one of both.
    """
    waiting, earlier = await place.waiting()
    return waiting is not None and waiting.get("id") == question.id and earlier == number


def _without_messages(call: AskedCall) -> AskedCall:
    """The call as it is kept while it waits."""
    return replace(call, pending=replace(call.pending, messages=()))


def _task_key(place: Place) -> tuple[str, str]:
    assert place.conversation is not None  # noqa: S101 - nobody is asked elsewhere
    return place.conversation.thread_id, place.task


def _key_of(pending: PendingCall) -> tuple[str, ...]:
    """A call, whoever makes it with whatever arguments."""
    thread = "" if pending.conversation is None else pending.conversation.thread_id
    call = pending.call
    return thread, str(pending.response_id), str(call["id"]), pending.service, call["name"]


def _value(calls: Sequence[AskedCall], caller: VerifiedAccessToken) -> dict[str, Any]:
    """One request of LangChain's form for all calls. `id` is that of the question, `approvals` what people
    need to know of each call, in the same order.
    """
    shown = [
        interrupt_value(replace(call.approval, arguments=redact(call.approval.arguments, [caller.token])))
        for call in calls
    ]
    return {
        "id": uuid.uuid4().hex,
        "action_requests": [value["action_requests"][0] for value in shown],
        "review_configs": [value["review_configs"][0] for value in shown],
        "approvals": [value["approval"] for value in shown],
    }


def _names_another(value: object, question_id: str) -> bool:
    """Whether an answer says that it is one to another question."""
    return isinstance(value, Mapping) and value.get("id", question_id) != question_id


def _decisions(value: object, count: int) -> Sequence[object] | None:
    """The decisions in an answer, one for each call; `None` if there are not so many."""
    if isinstance(value, Mapping) and isinstance(decisions := value.get("decisions"), list | tuple):
        return list(decisions) if len(decisions) == count else None
    if count == 1 and value is not None and parse_answer(value) is not None:
        return [value]
    return None
