"""A silent stream sends comments, which clients skip."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import httpx
from openai import AsyncOpenAI
from starlette.types import Message, Receive, Scope, Send

from agent.api.event_stream import EventStream
from agent.api.openai.response import ChunkEncoder
from agent.runs.run import Finished
from graph.events import TextEvent
from tests.agent.scripted_run import add, scripted_run


class Quiet:
    """An application that streams one run: "one", nothing until so many comments were sent, then "two"."""

    def __init__(self, silence: float, comments: int = 2) -> None:
        self._silence = silence
        self._comments = comments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive())["more_body"]:
            pass
        run = scripted_run()
        add(run, TextEvent(type="content", text="one"))
        texts = ChunkEncoder(model="m", created=1, include_usage=False).texts(run.events())
        stream = EventStream(texts, lambda: None, silence=self._silence)
        sent = 0

        async def counted(message: Message) -> None:
            nonlocal sent
            sent += message.get("body", b"").startswith(b":")
            if sent == self._comments and run.outcome is None:
                add(run, TextEvent(type="content", text="two"), Finished())
            await send(message)

        await stream(scope, receive, counted)


Serve = Callable[[Any], Awaitable[str]]


async def test_silent_stream_has_comments_between_its_events(serve: Serve) -> None:
    origin = await serve(Quiet(0.01))
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.post(origin)).text
    before, _, after = text.partition(": keep-alive\n\n")
    assert '"one"' in before
    assert '"two"' in after
    assert text.endswith("data: [DONE]\n\n")
    assert {event.partition(": ")[0] for event in text.removesuffix("\n\n").split("\n\n")} == {"", "data"}


async def test_official_client_ignores_comments(serve: Serve) -> None:
    client = AsyncOpenAI(base_url=await serve(Quiet(0.01)), api_key="none")
    stream = await client.chat.completions.create(model="m", messages=[], stream=True)
    assert [chunk.choices[0].delta.content async for chunk in stream] == ["", "one", "two", None]


async def test_stream_without_silence_has_no_comments(serve: Serve) -> None:
    origin = await serve(Quiet(60, comments=0))
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.post(origin)).text
    assert text.count("\n\n") == text.count("data: ") == 5


async def test_reader_leaves_if_the_client_disconnects_before_the_stream_begins() -> None:
    left: list[bool] = []

    async def texts() -> AsyncGenerator[str]:
        yield "data: 1\n\n"

    async def connected() -> Message:
        return await asyncio.Event().wait()

    async def gone(_: Message) -> None:
        raise OSError

    await EventStream(texts(), lambda: left.append(True))({"type": "http"}, connected, gone)
    assert left
