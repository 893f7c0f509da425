"""A person with LangGraph's client, who does not give up: what they ask, and what they see meanwhile."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from langgraph_sdk.client import LangGraphClient

from cluster.person import Step, shown

_PAUSE: Final = 0.2
"""Seconds between two attempts."""
_STATUS_SECONDS: Final = 1.0
"""How often the run is requested while its events arrive: its last one is lost if Redis is away."""
_ACTIVE: Final = ("pending", "running")
_MODES: Final[Any] = ["values", "messages-tuple"]
_APPROVE: Final = {"decisions": [{"type": "approve"}]}


@dataclass(eq=False)
class LangGraphPerson:
    """Uses the documented ways to go on (docs/langgraph-server.md), each request with a fresh access token.

    What is next is read from the server: a run that is active is followed; otherwise the state shows the
    answer, a question, a run that was cut off, or that the message has not arrived.
    """

    name: str
    client: LangGraphClient
    token: Callable[[], str]
    thread_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seen: list[str] = field(default_factory=list)
    """What happened, in order: seconds since the request, and words."""
    step: Step = Step.NOT_BEGUN
    approvals: int = 0
    """How many this person has given. One that is sent again is the same."""
    tokens: list[str] = field(default_factory=list, repr=False)
    """The access tokens that this person has sent."""
    question: str | None = None
    """The id of the interrupt with which the run waits."""
    begun: float = 0.0

    @property
    def waits(self) -> bool:
        """The run waits for an approval of this person."""
        return self.question is not None

    async def ask(self, text: str) -> None:
        """Returns when the run has ended, or waits for an approval."""
        message = {"id": str(uuid.uuid4()), "role": "user", "content": text}
        self.begun = time.monotonic()
        await self._until_ended({"input": {"messages": [message]}}, None)

    async def approve(self) -> None:
        """Approves what the run waits for. Returns as `ask` does."""
        assert self.question is not None  # noqa: S101 - the run waits
        answered, self.question = self.question, None
        self.approvals += 1
        self.begun = time.monotonic()
        await self._until_ended({"command": {"resume": _APPROVE}}, answered)

    async def stored(self) -> dict[str, Any]:
        """The conversation as it is stored, in the form of the agent's own API."""
        headers = self._headers()
        thread = await self.client.threads.get(self.thread_id, headers=headers)
        state = await self.client.threads.get_state(self.thread_id, headers=headers)
        return {"status": thread["status"], "messages": [shown(each) for each in _messages(state)]}

    async def _until_ended(self, given: Mapping[str, Any], answered: str | None) -> None:
        while True:
            try:
                if over := await self._attempt(given, answered):
                    self._saw(over)
                    return
            except httpx.HTTPStatusError as error:
                self._saw(f"{error.response.status_code} {_code(error.response)}")
            except httpx.HTTPError as error:
                self._saw(f"connection lost ({type(error).__name__})")
            await asyncio.sleep(_PAUSE)

    async def _attempt(self, given: Mapping[str, Any], answered: str | None) -> str:
        """How the chat has ended; empty if there is more to do."""
        threads, runs = self.client.threads, self.client.runs
        await threads.create(thread_id=self.thread_id, if_exists="do_nothing", headers=self._headers())
        for run in await runs.list(self.thread_id, limit=1, headers=self._headers()):
            if run["status"] in _ACTIVE:
                await self._follow(run["run_id"])
                return ""
            if run["status"] == "error":
                self._saw("the run failed")
        state = await threads.get_state(self.thread_id, headers=self._headers())
        messages, interrupts = _messages(state), list(_interrupts(state))
        if interrupts:
            question = interrupts[0]
            if question["value"]["approval"]["kind"] == "sign_in_required":
                self._saw("asked to sign in")
                await self._run({"command": {"resume": _APPROVE}})
            elif question["id"] == answered:
                await self._run(given)
            else:
                self.question, self.step = question["id"], Step.WAITING
                return "asked for approval"
        elif not messages:
            await self._run(given)
        elif state["next"] or messages[-1]["type"] != "ai" or messages[-1].get("tool_calls"):
            await self._run({"input": None})  # continues it
        else:
            self.step = Step.ENDED
            return "answered"
        return ""

    async def _run(self, given: Mapping[str, Any]) -> None:
        """Creates a run, and follows it."""
        self.step = Step.QUEUED
        run = await self.client.runs.create(
            self.thread_id, "agent", stream_mode=_MODES, headers=self._headers(), **given
        )
        await self._follow(run["run_id"])

    async def _follow(self, run_id: str) -> None:
        """Returns when the run is not active any more, or its events have ended."""
        reading = asyncio.create_task(self._read(run_id))
        try:
            while not (await asyncio.wait([reading], timeout=_STATUS_SECONDS))[0]:
                run = await self.client.runs.get(self.thread_id, run_id, headers=self._headers())
                if run["status"] not in _ACTIVE:
                    return
            await reading
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError):
                await reading

    async def _read(self, run_id: str) -> None:
        async for part in self._events(run_id):
            if part.event == "values" and self.step in (Step.NOT_BEGUN, Step.QUEUED):
                self.step = Step.APPROVING if self.approvals else Step.THINKING
            elif part.event == "messages":
                self._message(part.data[0])

    def _events(self, run_id: str) -> AsyncIterator[Any]:
        return self.client.runs.join_stream(self.thread_id, run_id, headers=self._headers())

    def _message(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "tool":
            self.step = Step.THINKING
        elif message["type"] == "AIMessageChunk":
            if message.get("tool_call_chunks") or message.get("tool_calls"):
                self.step = Step.CALLING
            elif message.get("content"):
                self.step = Step.ANSWERING

    def _saw(self, what: str) -> None:
        if not (self.seen and self.seen[-1].endswith(f" s {what}")):  # once, however often it is repeated
            self.seen.append(f"{time.monotonic() - self.begun:.1f} s {what}")

    def _headers(self) -> dict[str, str]:
        self.tokens.append(self.token())
        return {"Authorization": f"Bearer {self.tokens[-1]}"}


def _messages(state: Any) -> Sequence[dict[str, Any]]:  # noqa: ANN401 - the client's type knows no values
    values = state["values"]
    found: Sequence[dict[str, Any]] = values.get("messages", []) if isinstance(values, dict) else []
    return found


def _interrupts(state: Any) -> Sequence[dict[str, Any]]:  # noqa: ANN401 - likewise
    return [interrupt for task in state["tasks"] for interrupt in task.get("interrupts") or ()]


def _code(response: httpx.Response) -> str:
    """Of an error of the agent or of Aegra; nothing if its body was not read."""
    with contextlib.suppress(ValueError, httpx.ResponseNotRead, KeyError, TypeError):
        error = response.json()["error"]
        return str(error["code"] if isinstance(error, dict) else error)
    return ""
