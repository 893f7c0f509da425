"""Who comes in the soak: what a user asks, and a connection over which visitors come one after another."""

import asyncio
import json
import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOOL_DONE: Final = re.compile(rb'"type": ?"tool_finished"[^}]*"ok": ?true')
_SECONDS: Final = 60.0


class Manner(StrEnum):
    """How a visitor behaves."""

    WHOLE = "whole"
    STREAM = "stream"
    MCP = "mcp"
    ENTERPRISE = "enterprise"
    LEAVES = "left"
    LEAVES_TOOL = "left a tool"
    BAD_TOKEN = "bad token"


_WEIGHTS: Final = {
    Manner.WHOLE: 40,
    Manner.STREAM: 25,
    Manner.MCP: 10,
    Manner.ENTERPRISE: 10,
    Manner.LEAVES: 5,
    Manner.LEAVES_TOOL: 5,
    Manner.BAD_TOKEN: 5,
}
_WITH_TOOLS: Final = frozenset({Manner.MCP, Manner.ENTERPRISE})
_LEAVING: Final = frozenset({Manner.LEAVES, Manner.LEAVES_TOOL})
_STREAMED: Final = _WITH_TOOLS | _LEAVING | {Manner.STREAM}
_QUESTIONS: Final = {
    Manner.MCP: "What is the weather?",
    Manner.ENTERPRISE: "Call the enterprise service.",
    Manner.LEAVES: "tokens=200",
    Manner.LEAVES_TOOL: "What is the weather?",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One request."""

    manner: Manner
    token: str

    @classmethod
    def of(cls, token: str, chance: random.Random) -> Self:
        """Of the user of `token`, who behaves by chance; a bad token has another signature each time."""
        manner = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if manner is Manner.BAD_TOKEN:
            forged = "".join(chance.choices("abcdefghijklmnop", k=40))
            token = token[:-60] + forged + token[-20:]
        return cls(manner, token)

    def request(self) -> bytes:
        """On the wire."""
        stream = self.manner in _STREAMED
        message = {"role": "user", "content": _QUESTIONS.get(self.manner, "Say something.")}
        body = json.dumps({"model": "qwen-plus", "messages": [message], "stream": stream}).encode()
        head = (
            "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Visitor:
    """One connection to the agent, opened anew after somebody left over it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def make(self, visit: Visit) -> str:
        """What came of it: the visit's manner if all was as expected, else `unexpected …`."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(visit.request())
        try:
            async with asyncio.timeout(_SECONDS):
                if visit.manner in _LEAVING:
                    await self._reader.read(1)
                    self.leave()
                    return visit.manner
                answer = await self._answer(self._reader)
        except (OSError, TimeoutError, EOFError) as error:
            self.leave()
            return f"unexpected {type(error).__name__} to {visit.manner}"
        status = answer.split(b" ", 2)[1].decode()
        expected = "401" if visit.manner is Manner.BAD_TOKEN else "200"
        if status != expected:
            return f"unexpected {status} to {visit.manner}"
        if visit.manner in _WITH_TOOLS and not _TOOL_DONE.search(answer):
            return f"unexpected {status} without the tool to {visit.manner}"
        return visit.manner

    def leave(self) -> None:
        """Closes the connection, whatever is under way."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        """A whole answer, by its length or by its last chunk."""
        head = await reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            return head + await reader.readexactly(int(length[1]))
        return head + await reader.readuntil(b"\r\n0\r\n\r\n")
