"""The model, an MCP server and the enterprise service as minimal protocols, which cost little processor time.

    python -m benchmarks.servers.services PORT

`/v1/chat/completions`, `/mcp` (streamable HTTP, stateless, JSON) and `/enterprise`. They respond
immediately unless `PUT /delays` sets seconds: `first_token`, `token`, `mcp`. `GET /waiting` is the number
of the model's streams that wait for their first token. The model replies with words, to `tokens=N
letters=M` with N words of M letters; to a question that contains "weather" or "enterprise" it replies with
one call of the tool whose name contains that word. If the tool failed, the model responds 400, so that a
failed chat is not measured as a success.
"""

import asyncio
import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import orjson
import uvloop

WORDS = 20
"""Tokens in a completion, unless the question contains `tokens=N`."""
_TOKENS = re.compile(r"tokens=(\d+)(?: letters=(\d+))?")

TOOL: dict[str, Any] = {
    "name": "maps_weather",
    "description": "The weather of a city.",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The city's name."}},
        "required": ["city"],
    },
}
_ARGUMENTS = {"maps_weather": '{"city": "杭州"}'}
_TOPICS = ("weather", "enterprise")
_WEATHER = "sunny, 21 °C"
_ENTERPRISE = b'{"employee":"stand-in","status":"ok"}'
_TOOL_FAILED = b'{"error":{"message":"the tool failed"}}'
_RESULTS = (_WEATHER, "stand-in")
"""What a successful tool result contains."""
_HEAD = {"id": "chatcmpl-1", "created": 1795526961, "model": "qwen-plus"}
_USAGE = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}


class Delays:
    """Delays in seconds, zero at the start, and the number of streams that wait for their first token."""

    def __init__(self) -> None:
        self.first_token = self.token = self.mcp = 0.0
        self.waiting = 0


def model_response(request: dict[str, Any]) -> tuple[bytes, list[bytes]]:
    """The content type and the parts of the body: one part, or the events of a stream."""
    message, finish = _message(request)
    if not request.get("stream"):
        return b"application/json", [_whole(orjson.dumps(message), finish)]
    with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    return b"text/event-stream", _events(orjson.dumps(message), finish, with_usage)


def tool_failed(request: dict[str, Any]) -> bool:
    """Whether the last message is a tool result other than those of the services here."""
    last = request["messages"][-1]
    return last["role"] == "tool" and not any(result in str(last["content"]) for result in _RESULTS)


def _message(request: dict[str, Any]) -> tuple[dict[str, Any], str]:
    last = request["messages"][-1]
    question = str(last.get("content")) if last["role"] == "user" else ""
    for topic in _TOPICS:
        names = (tool["function"]["name"] for tool in request.get("tools") or ())
        if topic in question and (name := next((name for name in names if topic in name), None)):
            function = {"name": name, "arguments": _ARGUMENTS.get(name, "{}")}
            call = {"index": 0, "id": "call_1", "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    wanted = _TOKENS.search(question)
    words, letters = (int(wanted[1]), int(wanted[2] or 4)) if wanted else (WORDS, 4)
    word = ("word" * (letters // 4 + 1))[:letters]
    return {"role": "assistant", "content": f"{word} " * words}, "stop"


@cache
def _whole(message: bytes, finish: str) -> bytes:
    choice = {"index": 0, "message": orjson.loads(message), "finish_reason": finish, "logprobs": None}
    return orjson.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


@cache
def _events(message: bytes, finish: str, with_usage: bool) -> list[bytes]:
    whole = orjson.loads(message)
    deltas: list[dict[str, Any]] = [{"content": word} for word in (whole["content"] or "").split(" ") if word]
    if not deltas:
        deltas = [{"tool_calls": whole["tool_calls"]}]
    deltas[0] |= {"role": "assistant"}
    for delta in deltas[1:]:
        delta["content"] = " " + delta["content"]
    choices: list[Any] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": finish}])
    chunks = [{**_HEAD, "object": "chat.completion.chunk", "choices": choice} for choice in choices]
    if with_usage:
        chunks.append({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    return [*(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def mcp_response(request: dict[str, Any]) -> bytes | None:
    """The JSON-RPC response; `None` for a notification."""
    result: dict[str, Any]
    match request.get("method"):
        case "initialize":
            version = request["params"]["protocolVersion"]
            server = {"name": "stand-in", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
        case "tools/list":
            result = {"tools": [TOOL]}
        case "tools/call":
            result = {"content": [{"type": "text", "text": _WEATHER}], "isError": False}
        case _:
            result = {}
    if "id" not in request:
        return None
    return orjson.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})


class Connection(asyncio.Protocol):
    """The subset of HTTP/1.1 that the clients here use: bodies with a length, no pipelining of responses."""

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._received = b""
        self._transport: asyncio.Transport
        self._later: asyncio.TimerHandle | None = None
        self._due: Callable[[], None] | None = None
        """What `_later` does next in a stream."""
        self._waits = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base class's shape
        if self._later is not None:
            self._later.cancel()
        self._begin(0)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            mark = head.find(b"\r\ncontent-length:")
            length = int(head[mark + 17 :].partition(b"\r\n")[0]) if mark >= 0 else 0
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            method, path = head.split(b" ", 2)[:2]
            self._respond(method, path, body)

    def _respond(self, method: bytes, path: bytes, body: bytes) -> None:
        if path == b"/v1/chat/completions":
            question = orjson.loads(body)
            if tool_failed(question):
                self._send(b"400 Bad Request", b"application/json", _TOOL_FAILED)
                return
            self._send_model(*model_response(question))
        elif path == b"/mcp" and method == b"post":
            response = mcp_response(orjson.loads(body))
            status = b"200 OK" if response is not None else b"202 Accepted"
            self._send(status, b"application/json", response or b"", self._delays.mcp)
        elif path == b"/mcp":
            self._send(b"405 Method Not Allowed", b"text/plain", b"")
        elif path == b"/delays":
            vars(self._delays).update(orjson.loads(body))
            self._send(b"200 OK", b"application/json", b"{}")
        elif path == b"/waiting":
            self._send(b"200 OK", b"application/json", b"%d" % self._delays.waiting)
        else:
            self._send(b"200 OK", b"application/json", _ENTERPRISE)

    def _begin(self, waits: int) -> None:
        """Whether a stream of this connection waits, 1 or 0."""
        self._delays.waiting += waits - self._waits
        self._waits = waits

    def _send_model(self, kind: bytes, pieces: list[bytes]) -> None:
        if len(pieces) == 1:
            self._send(b"200 OK", kind, pieces[0], self._delays.first_token)
            return
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind
        if not self._delays.first_token and not self._delays.token:
            self._transport.write(head + _chunk(b"".join(pieces)) + b"0\r\n\r\n")
            return
        self._transport.write(head)
        self._begin(1)
        self._stream([*map(_chunk, pieces), b"0\r\n\r\n"], 0, self._delays.first_token)

    def _stream(self, pieces: list[bytes], position: int, delay: float) -> None:
        def due() -> None:
            self._begin(0)
            self._transport.write(pieces[position])
            if position + 1 < len(pieces):
                self._stream(pieces, position + 1, self._delays.token)

        self._due = due
        self._later = asyncio.get_running_loop().call_later(delay, due)

    def _send(self, status: bytes, kind: bytes, body: bytes, delay: float = 0.0) -> None:
        head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (status, kind, len(body))
        if delay:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(delay, self._transport.write, head + body)
        else:
            self._transport.write(head + body)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def serve(port: int) -> None:
    """Serves on loopback until the process ends."""
    delays = Delays()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(delays), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
