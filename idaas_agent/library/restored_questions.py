"""A question that another process has asked, when its answer comes: what LangGraph keeps of it.

The interrupt in the checkpoint says which question the answer is to, and grants nothing: the approval in the
store, of this user, thread, call and arguments, counts.
"""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.messages import ToolCall
from langgraph._internal._constants import INTERRUPT, RESUME

from graph.approvals.record import ApprovalStore
from idaas_agent.library.governed_tool import GovernedTool
from idaas_agent.library.place import Place
from idaas_agent.library.questions import AskedCall, Questions
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import Principal

_APPROVALS: Final = "approvals"


async def restore(
    questions: Questions, place: Place, tools: Mapping[str, GovernedTool], caller: VerifiedAccessToken
) -> None:
    """Makes `questions` know the one that waits at `place`, if it is about calls of `tools` as they are."""
    if questions.knows(place) or not place.has_answer:
        return
    waiting, earlier = await _waiting_at(place)
    if waiting is None:
        return
    calls: list[AskedCall] = []
    for about, action in zip(waiting[_APPROVALS], waiting["action_requests"], strict=True):
        tool = tools.get(about["tool"])
        if tool is None:
            return
        call = ToolCall(name=about["tool"], args=action["args"], id=about["call_id"], type="tool_call")
        owner = Principal(about["principal"]["iss"], about["principal"]["sub"])
        asked = await tool.asked_before(call, about["id"], place, caller, owner)
        if asked is None:
            return
        calls.append(asked)
    questions.restore(place, earlier, waiting, calls)


async def withdraw_unknown(questions: Questions, place: Place, store: ApprovalStore, at: float) -> None:
    """Withdraws the question of another process, whose answer came with a caller who was not verified."""
    if questions.knows(place) or not place.has_answer or place.conversation is None:
        return
    waiting, _ = await _waiting_at(place)
    for about in () if waiting is None else waiting[_APPROVALS]:
        owner = Principal(about["principal"]["iss"], about["principal"]["sub"])
        await store.withdraw(owner, about["thread_id"], at, call_id=about["call_id"])


async def _waiting_at(place: Place) -> tuple[Mapping[str, Any] | None, int]:
    """The value of the interrupt with which the task at `place` waits, and how many answers came before."""
    saved = None if place.saver is None else await place.saver.aget_tuple(place.saved_at)
    writes = () if saved is None else saved.pending_writes or ()
    interrupts: list[Any] = []
    answers: list[Any] = []
    for task, channel, value in writes:
        if task == place.task_id and channel == INTERRUPT:
            interrupts = list(value)
        if task == place.task_id and channel == RESUME:
            answers = value if isinstance(value, list) else [value]
    value = interrupts[-1].value if interrupts else None
    is_ours = isinstance(value, Mapping) and _APPROVALS in value
    return (value if is_ours else None), len(answers)
