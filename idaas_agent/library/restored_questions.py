"""A question that another process has asked, when its answer comes: what LangGraph keeps of it.

The interrupt in the checkpoint says which question the answer is to, and grants nothing: the approval in the
store, of this user, thread, call and arguments, counts.
"""

from collections.abc import Mapping

from langchain_core.messages import ToolCall

from graph.approvals.record import ApprovalStore
from idaas_agent.library.governed_tool import GovernedTool
from idaas_agent.library.place import Place
from idaas_agent.library.questions import AskedCall, Questions
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import Principal


async def restore(
    questions: Questions, place: Place, tools: Mapping[str, GovernedTool], caller: VerifiedAccessToken
) -> None:
    """Makes `questions` know the one that waits at `place`, if it is about calls of `tools` as they are."""
    if not place.has_answer:
        return
    waiting, earlier = await place.waiting()
    if waiting is None or questions.is_known(place, earlier, str(waiting["id"])):
        return
    calls: list[AskedCall] = []
    for about, action in zip(waiting["approvals"], waiting["action_requests"], strict=True):
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
    waiting, _ = await place.waiting()
    if waiting is None:
        return
    for about in waiting["approvals"]:
        owner = Principal(about["principal"]["iss"], about["principal"]["sub"])
        await store.withdraw(owner, about["thread_id"], at, call_id=about["call_id"])
