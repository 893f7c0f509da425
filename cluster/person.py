"""A person with a client that does not give up: what they ask, and what they see meanwhile."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import httpx

_PAUSE: Final = 0.2
"""Seconds between two attempts."""


class Step(StrEnum):
    """Where a chat is, as its client sees it."""

    NOT_BEGUN = "not begun"
    QUEUED = "queued"
    """No process executes the run yet. Only clients of LangGraph's API see this."""
    THINKING = "credentials, model"
    CALLING = "calling a tool"
    ANSWERING = "answering"
    WAITING = "waiting for approval"
    APPROVING = "approved call"
    """From the approval to the result of the call."""
    ENDED = "ended"


@dataclass(eq=False)
class Person:
    """Speaks AG-UI, over a new connection for each request, and with a fresh access token.

    A request that failed is sent again as it was: the message has the same identifier, so the agent follows
    the run, tries it again, or begins it, whatever is right.
    """

    name: str
    http: httpx.AsyncClient
    token: Callable[[], str]
    served_by: Callable[[httpx.Response], str]
    """The name of the replica that responded."""
    thread_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    seen: list[str] = field(default_factory=list)
    """What happened, in order: seconds since the request, and words."""
    step: Step = Step.NOT_BEGUN
    approvals: int = 0
    """How many this person has given. One that is sent again is the same."""
    tokens: list[str] = field(default_factory=list, repr=False)
    """The access tokens that this person has sent."""
    replicas: list[str] = field(default_factory=list)
    """Who responded, in order."""
    interrupt: dict[str, Any] | None = None
    """The question with which the run waits."""
    given: dict[str, Any] = field(default_factory=dict)
    """What the latest request has: a message, or an answer."""
    words: int = 0
    begun: float = 0.0
    status: str = ""
    """Of the conversation, by the latest event that has it."""
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """The first event has arrived."""

    @property
    def waits(self) -> bool:
        """The run waits for an approval of this person."""
        return self.interrupt is not None

    async def ask(self, text: str) -> None:
        """Returns when the run has ended, or waits for an approval."""
        message = {"id": uuid.uuid4().hex, "role": "user", "content": text}
        self.step = Step.THINKING
        await self._until_ended({"messages": [message]})

    async def approve(self) -> None:
        """Approves what the run waits for. Returns as `ask` does."""
        assert self.interrupt is not None  # noqa: S101 - the run waits
        answer = {"interruptId": self.interrupt["id"], "status": "resolved", "payload": {"approved": True}}
        self.interrupt, self.step = None, Step.APPROVING
        self.approvals += 1
        await self._until_ended({"messages": [], "resume": [answer]})

    async def repeat(self, http: httpx.AsyncClient) -> None:
        """Sends the latest request again as it was, by another client, which leaves at the first line of the
        response.
        """
        with contextlib.suppress(httpx.TransportError):
            async with http.stream(
                "POST", "/ag-ui/agent", json=self._body(), headers=self._headers()
            ) as again:
                async for _ in again.aiter_lines():
                    break
                self._saw(f"sent again: {again.status_code}")

    async def stored(self) -> dict[str, Any]:
        """The conversation with each message that is stored: `GET /threads/{id}` shows an id once."""
        exported = await self._read_thread("/export")
        return await self._read_thread() | {"messages": [shown(each) for each in exported["messages"]]}

    async def _read_thread(self, path: str = "") -> dict[str, Any]:
        response = await self.http.get(f"/threads/{self.thread_id}{path}", headers=self._headers())
        found: dict[str, Any] = response.raise_for_status().json()
        return found

    async def _until_ended(self, given: dict[str, Any]) -> None:
        self.begun = time.monotonic()
        while True:
            self.given = given
            try:
                over = await self._attempt()
            except httpx.TransportError:
                over = ""
                self._saw(f"connection lost after {self.words} words")
            if over:
                self._saw(over)
                return
            if "resume" in given and not await self._still_waits(given["resume"][0]["interruptId"]):
                given = {"messages": []}
            await asyncio.sleep(_PAUSE)

    def _body(self) -> dict[str, Any]:
        return {
            "threadId": self.thread_id,
            "runId": uuid.uuid4().hex,
            "tools": [],
            "context": [],
            "state": {},
            "forwardedProps": {"on_disconnect": "continue"},
            **self.given,
        }

    async def _attempt(self) -> str:
        """How the run has ended; empty if it must be tried again."""
        request = self.http.stream("POST", "/ag-ui/agent", json=self._body(), headers=self._headers())
        async with request as response:
            if (name := self.served_by(response)) not in self.replicas[-1:]:
                self.replicas.append(name)
            if response.status_code != 200:
                await response.aread()
                self._saw(f"{response.status_code} {response.json()['error']['code']}")
                return ""
            async for event in _events(response):
                self.started.set()
                if over := await self._read(event):
                    return over
        return ""

    async def _read(self, event: dict[str, Any]) -> str:
        """How the run has ended, if this event ends it."""
        match event["type"]:
            case "RUN_STARTED":
                self.words, self.status = 0, ""
            case "STATE_SNAPSHOT":
                self.status = event["snapshot"]["status"]
            case "TOOL_CALL_START":
                self.step = Step.CALLING
            case "TOOL_CALL_RESULT":
                self.step = Step.THINKING
            case "TEXT_MESSAGE_CONTENT":
                self.step = Step.ANSWERING
                self.words += len(event["delta"].split())
            case "RUN_FINISHED":
                return await self._finished((event.get("outcome") or {}).get("interrupts") or ())
            case "RUN_ERROR":
                self._saw(event["code"])
                await self._continue()
        return ""

    async def _finished(self, interrupts: Sequence[dict[str, Any]]) -> str:
        """As `_read`. The events of a conversation whose run was cut off end in this way, too."""
        self.interrupt = next(iter(interrupts), None)
        if self.interrupt is not None:
            self.step = Step.WAITING
            return "asked for approval"
        if self.status in ("failed", "interrupted"):
            self._saw(self.status)
            await self._continue()
        if self.status in ("failed", "interrupted", "running"):
            return ""
        self.step = Step.ENDED
        return "answered"

    async def _continue(self) -> None:
        await self.http.post(f"/threads/{self.thread_id}/continue", headers=self._headers())

    async def _still_waits(self, approval: str) -> bool:
        try:
            return any(each["id"] == approval for each in (await self._read_thread())["approvals"])
        except httpx.HTTPError:
            return True

    def _saw(self, what: str) -> None:
        if not (self.seen and self.seen[-1].endswith(f" s {what}")):  # once, however often it is repeated
            self.seen.append(f"{time.monotonic() - self.begun:.1f} s {what}")

    def _headers(self) -> dict[str, str]:
        self.tokens.append(self.token())
        return {"Authorization": f"Bearer {self.tokens[-1]}"}


def shown(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A message of LangChain's form in that of `GET /threads/{id}`, as far as it is counted."""
    return {
        "role": {"human": "user", "ai": "assistant"}.get(stored["type"], stored["type"]),
        "content": stored["content"],
        "toolCalls": stored.get("tool_calls"),
        "toolCallId": stored.get("tool_call_id"),
        "unfinished": stored.get("finish_reason") == "unfinished",
    }


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
