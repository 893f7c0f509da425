"""A person with a client that does not give up: what they ask, and what they see meanwhile."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

_PAUSE: Final = 0.2
"""Seconds between two attempts."""


@dataclass
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
    replicas: list[str] = field(default_factory=list)
    """Who responded, in order."""
    interrupt: dict[str, Any] | None = None
    """The question with which the run waits."""
    words: int = 0
    begun: float = 0.0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """The first event has arrived."""

    async def ask(self, text: str) -> None:
        """Returns when the run has ended, or waits for an approval."""
        message = {"id": uuid.uuid4().hex, "role": "user", "content": text}
        await self._until_ended({"messages": [message]})

    async def approve(self) -> None:
        """Approves what the run waits for. Returns as `ask` does."""
        assert self.interrupt is not None  # noqa: S101 - the run waits
        answer = {"interruptId": self.interrupt["id"], "status": "resolved", "payload": {"approved": True}}
        self.interrupt = None
        await self._until_ended({"messages": [], "resume": [answer]})

    async def stored(self) -> dict[str, Any]:
        """The conversation as it is stored."""
        response = await self.http.get(f"/threads/{self.thread_id}", headers=self._headers())
        found: dict[str, Any] = response.raise_for_status().json()
        return found

    async def _until_ended(self, given: dict[str, Any]) -> None:
        self.begun = time.monotonic()
        while True:
            try:
                over = await self._attempt(given)
            except httpx.TransportError:
                over = ""
                self._saw(f"connection lost after {self.words} words")
            if over:
                self._saw(over)
                return
            if "resume" in given and not await self._still_waits():
                given = {"messages": []}
            await asyncio.sleep(_PAUSE)

    async def _attempt(self, given: dict[str, Any]) -> str:
        """How the run has ended; empty if it must be tried again."""
        body = {
            "threadId": self.thread_id,
            "runId": uuid.uuid4().hex,
            "tools": [],
            "context": [],
            "state": {},
        }
        body |= {"forwardedProps": {"on_disconnect": "continue"}, **given}
        async with self.http.stream("POST", "/ag-ui/agent", json=body, headers=self._headers()) as response:
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
                self.words = 0
            case "TEXT_MESSAGE_CONTENT":
                self.words += len(event["delta"].split())
            case "RUN_FINISHED":
                interrupts = (event.get("outcome") or {}).get("interrupts") or ()
                self.interrupt = next(iter(interrupts), None)
                return "asked for approval" if self.interrupt else "answered"
            case "RUN_ERROR":
                self._saw(event["code"])
                path = f"/threads/{self.thread_id}/continue"
                await self.http.post(path, headers=self._headers())
        return ""

    async def _still_waits(self) -> bool:
        try:
            return bool((await self.stored())["approvals"])
        except httpx.HTTPError:
            return True

    def _saw(self, what: str) -> None:
        self.seen.append(f"{time.monotonic() - self.begun:.1f} s {what}")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
