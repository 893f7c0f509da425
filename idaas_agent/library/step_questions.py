"""One question about all calls of a step, before any of them runs."""

from collections.abc import Mapping, Sequence

from langchain_core.messages import ToolCall

from idaas_agent.library.governed_tool import GovernedTool
from idaas_agent.library.open_calls import OpenIdentity, settle, verified_caller
from idaas_agent.library.place import Place


async def ask_about_step(
    identity: OpenIdentity, tools: Mapping[str, GovernedTool], calls: Sequence[ToolCall], place: Place
) -> None:
    """Returns if nobody has to be asked about `calls`, or if all were answered; else raises LangGraph's
    `GraphInterrupt`. Calls of other tools than `tools` ask for themselves, if they do.

    Raises `AccessTokenError`.
    """
    caller = await verified_caller(identity, place)
    await settle(identity, place, caller)
    asked = []
    for call in calls:
        tool = tools.get(call["name"])
        question = None if tool is None else await tool.question(call, place, caller)
        if question is not None:
            asked.append(question)
    if asked:
        # A server shows one question at a time: the next one follows the answer.
        together = asked if place.run is None else asked[:1]
        await identity.known_calls.questions.ask(place, together, caller)
