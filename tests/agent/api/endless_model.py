"""A model whose response never ends, for tests of cancellation."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from agent.http.web_server import listen, web_server

MESSAGES = [{"role": "user", "content": "hello"}]
CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "qwen-plus",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Once"}, "finish_reason": None}],
}


@dataclass
class EndlessModel:
    """Sends at most one word, and then waits until its client disconnects."""

    words: bool = True
    requested: threading.Event = field(default_factory=threading.Event)
    requests: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once for each request."""
    disconnected: threading.Event = field(default_factory=threading.Event)
    prompts: list[list[dict[str, Any]]] = field(default_factory=list)
    """The messages of each request."""
    url: str = ""

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.prompts.append(json.loads(body)["messages"])
        if self.words:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            body = f"data: {json.dumps(CHUNK)}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        self.requested.set()
        self.requests.release()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()


@contextlib.contextmanager
def endless_model() -> Iterator[EndlessModel]:
    """An endless model, served on loopback."""
    endless = EndlessModel()
    listener = listen("127.0.0.1", 0, "the model", "nothing")
    endless.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = web_server(endless, lifespan=False)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    yield endless
    server.should_exit = True
    thread.join()


async def happens(event: threading.Event) -> bool:
    """Whether `event` is set within a few seconds."""
    return await asyncio.to_thread(event.wait, 10)
