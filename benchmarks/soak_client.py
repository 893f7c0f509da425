"""The clients of the soak: one request with its behaviour, and a connection that sends one after another."""

import asyncio
import json
import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOOL_SUCCEEDED: Final = re.compile(rb'"type": ?"tool_finished"[^}]*"ok": ?true')
_TIMEOUT_SECONDS: Final = 60.0
_MOST_BYTES: Final = 2**24
"""Of a response."""


class ClientBehaviour(StrEnum):
    """What the client of a request does, as the report names it."""

    WHOLE = "whole"
    STREAM = "stream"
    MCP = "mcp"
    ENTERPRISE = "enterprise"
    DISCONNECTS = "disconnected"
    DISCONNECTS_IN_TOOL = "disconnected in a tool call"
    BAD_TOKEN = "bad token"
    CONVERSATION = "conversation"
    """Stored: one for each user and connection."""
    LONG = "long conversation"
    """Stored, with thousands of messages: one for each connection."""
    BIG = "big answer"
    """Of 4 MB, in a stored conversation."""


_WEIGHTS: Final = {
    ClientBehaviour.WHOLE: 40,
    ClientBehaviour.STREAM: 25,
    ClientBehaviour.MCP: 10,
    ClientBehaviour.ENTERPRISE: 10,
    ClientBehaviour.DISCONNECTS: 5,
    ClientBehaviour.DISCONNECTS_IN_TOOL: 5,
    ClientBehaviour.BAD_TOKEN: 5,
    ClientBehaviour.CONVERSATION: 20,
    ClientBehaviour.LONG: 2,
    ClientBehaviour.BIG: 0.2,
}
_STORED: Final = frozenset({ClientBehaviour.CONVERSATION, ClientBehaviour.LONG, ClientBehaviour.BIG})
LONG_THREAD: Final = "long"
_WITH_TOOLS: Final = frozenset({ClientBehaviour.MCP, ClientBehaviour.ENTERPRISE})
_DISCONNECTING: Final = frozenset({ClientBehaviour.DISCONNECTS, ClientBehaviour.DISCONNECTS_IN_TOOL})
_STREAMED: Final = _WITH_TOOLS | _DISCONNECTING | _STORED | {ClientBehaviour.STREAM}
_QUESTIONS: Final = {
    ClientBehaviour.MCP: "What is the weather?",
    ClientBehaviour.ENTERPRISE: "Call the enterprise service.",
    ClientBehaviour.DISCONNECTS: "tokens=200",
    ClientBehaviour.DISCONNECTS_IN_TOOL: "What is the weather?",
    ClientBehaviour.BIG: "tokens=1000 letters=4000",
}


@dataclass(frozen=True, slots=True)
class SoakRequest:
    """One chat request of one user."""

    behaviour: ClientBehaviour
    token: str

    @classmethod
    def of(cls, token: str, rng: random.Random, only: ClientBehaviour | None = None) -> Self:
        """A request with `token` and a random behaviour, or `only` this one; a bad token gets another
        signature each time.
        """
        behaviour = only or rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if behaviour is ClientBehaviour.BAD_TOKEN:
            forged = "".join(rng.choices("abcdefghijklmnop", k=40))
            token = token[:-60] + forged + token[-20:]
        return cls(behaviour, token)

    def encoded(self, client: "SoakClient") -> bytes:
        """The HTTP/1.1 request of `client`: no two clients use one conversation at the same time."""
        token = client.long_token if self.behaviour is ClientBehaviour.LONG else self.token
        thread = LONG_THREAD if self.behaviour is ClientBehaviour.LONG else client.thread
        named = f"X-Thread-Id: {thread}\r\n" if self.behaviour in _STORED else ""
        stream = self.behaviour in _STREAMED
        message = {"role": "user", "content": _QUESTIONS.get(self.behaviour, "Say something.")}
        body = json.dumps({"model": "qwen-plus", "messages": [message], "stream": stream}).encode()
        head = (
            "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n{named}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class SoakClient:
    """One connection to the agent, reopened after a disconnect."""

    def __init__(self, port: int, number: int, long_token: str) -> None:
        """`long_token` is of a user with a long conversation, which no other client uses."""
        self._port = port
        self.thread: Final = f"soak-{number}"
        self.long_token: Final = long_token
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, request: SoakRequest) -> str:
        """Returns the request's behaviour if the response is the expected one, else `unexpected …`."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=_MOST_BYTES
            )
        self._writer.write(request.encoded(self))
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                if request.behaviour in _DISCONNECTING:
                    await self._reader.read(1)
                    self.close()
                    return request.behaviour
                response = await self._read_response(self._reader)
        except (OSError, TimeoutError, EOFError) as error:
            self.close()
            return f"unexpected {type(error).__name__} to {request.behaviour}"
        status = response.split(b" ", 2)[1].decode()
        expected = "401" if request.behaviour is ClientBehaviour.BAD_TOKEN else "200"
        if status != expected:
            return f"unexpected {status} to {request.behaviour}"
        if request.behaviour in _WITH_TOOLS and not _TOOL_SUCCEEDED.search(response):
            return f"unexpected {status} without the tool to {request.behaviour}"
        return request.behaviour

    def close(self) -> None:
        """Closes the connection, even during a response."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _read_response(self, reader: asyncio.StreamReader) -> bytes:
        """A complete response, by its Content-Length or up to its last chunk."""
        head = await reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            return head + await reader.readexactly(int(length[1]))
        return head + await reader.readuntil(b"\r\n0\r\n\r\n")
