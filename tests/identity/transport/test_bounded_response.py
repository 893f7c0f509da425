"""A response is read as bytes, up to a limit, without decoding."""

import gzip

import httpx
import pytest

from identity.transport.bounded_response import Response, TransportFailure, send
from tests.responsive import responsive

pytestmark = pytest.mark.promise("bounded")


@pytest.fixture(scope="module")
def compressed():
    """Fifty million bytes, compressed."""
    return gzip.compress(b"\0" * 50_000_000)


def unread(body, **headers):
    """A response whose body is not read yet."""
    return httpx.Response(200, headers=headers, stream=httpx.ByteStream(body))


async def response_to(response, max_bytes=1_000):
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: response)) as http:
        return await send(
            http, http.build_request("GET", "https://a.example"), max_bytes=max_bytes, deadline=5
        )


async def test_body_of_the_limits_size_is_read_and_one_byte_more_is_not():
    assert (await response_to(unread(b"x" * 1_000))).body == b"x" * 1_000
    assert isinstance(await response_to(unread(b"x" * 1_001)), TransportFailure)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "nothing"])
async def test_compressed_response_is_not_decompressed(coding, compressed):
    async with responsive():
        response = await response_to(unread(compressed, **{"content-encoding": coding}), max_bytes=100_000)
    assert isinstance(response, TransportFailure)
    assert "compressed" in response.reason


async def test_charset_of_the_response_is_ignored():
    response = await response_to(unread(b"{}", **{"content-type": "text/plain; charset=punycode"}))
    assert isinstance(response, Response)
    assert response.body == b"{}"
