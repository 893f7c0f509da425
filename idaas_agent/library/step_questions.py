"""One question about all calls of a step, before any of them runs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from cachetools import LRUCache
from langchain_core.messages import ToolCall

from idaas_agent.library.governed_tool import GovernedTool
from idaas_agent.library.open_calls import OpenIdentity, settle, verified_caller
from idaas_agent.library.place import Place

_STEPS: Final = 100
"""Executions that are remembered, with the arguments of their calls."""


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


@dataclass(slots=True)
class _Step:
    """The calls of one step that nobody has to be asked about, in one execution of its task."""

    execution: object
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: Sequence[ToolCall] | None = None


class StepQuestions:
    """`ask_about_step` for a node that makes each call of a step by itself: once for all of them.

    Each call is decided about again when it is made. Once means: as long as LangGraph runs the task without
    a pause, with the very same calls. A question that was raised is raised for the other calls of the step.
    """

    def __init__(self, identity: OpenIdentity, tools: Mapping[str, GovernedTool]) -> None:
        self._identity = identity
        self._tools = tools
        self._steps: LRUCache[int, _Step] = LRUCache(_STEPS)
        self._lock = Lock()  # graphs may run in event loops of several threads

    async def ask(self, calls: Sequence[ToolCall], place: Place) -> None:
        """See `ask_about_step`."""
        step = self._step(place)
        async with step.lock:
            if step.calls != calls:
                await ask_about_step(self._identity, self._tools, calls, place)
                step.calls = calls

    def _step(self, place: Place) -> _Step:
        """That of the execution. It keeps the object of it, so that no other one has its id."""
        if place.execution is None:
            return _Step(None)
        with self._lock:
            return self._steps.setdefault(id(place.execution), _Step(place.execution))
