"""Clients that send a large body, and what they receive of a response before its end.

Each function sends `size` bytes to `url`, with a length or chunked, and returns the status of the response,
or the name of the exception.
"""

import asyncio
import http.client
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import httpx2
import openai

from tests.loopback import NO_TLS

PIECE = 65_536
FETCH = Path(__file__).with_name("uploading_fetch.mjs")

Outcome = int | str


def pieces(size: int) -> Iterator[bytes]:
    """`size` bytes."""
    for start in range(0, size, PIECE):
        yield b" " * min(PIECE, size - start)


class _Chunked(httpx2.AsyncByteStream):
    """The body of an SDK's request, without a length."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), PIECE):
            yield self._content[start : start + PIECE]


async def _without_length(request: httpx2.Request) -> None:
    request.stream = _Chunked(request.content)
    del request.headers["content-length"]
    request.headers["transfer-encoding"] = "chunked"


async def by_openai(url: str, size: int, *, chunked: bool) -> Outcome:
    """`AsyncOpenAI`, without its retries."""
    hooks = {"request": [_without_length]} if chunked else {}
    transport = httpx2.AsyncClient(event_hooks=hooks, timeout=30)
    async with openai.AsyncOpenAI(
        base_url=url, api_key="none", max_retries=0, http_client=transport
    ) as client:
        try:
            await client.chat.completions.create(
                model="any", messages=[{"role": "user", "content": "a" * size}]
            )
        except openai.APIStatusError as error:
            return error.status_code
        except openai.APIError as error:
            return type(error).__name__
    return 200


async def by_httpx(url: str, size: int, *, chunked: bool) -> Outcome:
    """`httpx.AsyncClient`."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces(size):
            yield piece

    async with httpx.AsyncClient(timeout=30, verify=NO_TLS) as client:
        try:
            response = await client.post(url, content=stream() if chunked else b" " * size)
        except httpx.HTTPError as error:
            return type(error).__name__
    return response.status_code


async def by_http_client(url: str, size: int, *, chunked: bool) -> Outcome:
    """`http.client`, in a thread."""

    def send() -> Outcome:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        try:
            body = pieces(size) if chunked else b" " * size
            connection.request("POST", urlsplit(url).path, body, encode_chunked=chunked)
            return connection.getresponse().status
        except OSError as error:
            return type(error).__name__
        finally:
            connection.close()

    return await asyncio.to_thread(send)


async def by_fetch(url: str, size: int, *, chunked: bool) -> Outcome:
    """Node's `fetch`."""
    return (await fetched(url, size, 1, chunked=chunked))[0]


async def fetched(url: str, size: int, times: int, *, chunked: bool) -> list[Outcome]:
    """Node's `fetch`, several times in one process."""
    process = await asyncio.create_subprocess_exec(
        shutil.which("node") or "node",
        str(FETCH),
        url,
        str(size),
        str(times),
        "chunked" if chunked else "announced",
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    outcomes = (await process.communicate())[0].decode().split()
    return [int(outcome) if outcome.isdigit() else outcome for outcome in outcomes]


CLIENTS: dict[str, Callable[..., Awaitable[Outcome]]] = {
    "openai": by_openai,
    "httpx": by_httpx,
    "http.client": by_http_client,
    "fetch": by_fetch,
}
