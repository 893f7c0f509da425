"""A response is read as bytes, up to a limit, without decoding; and the size of its JSON is limited."""

import gzip
import json

import httpx
import pytest

from identity.transport.bounded_response import Response, TransportFailure, send
from identity.transport.json_size import MAX_CONTAINERS, TooLargeError, check_size, read_json
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


HUGE = [1e300, 10**400, "1e999"]


@pytest.mark.parametrize(
    "value", [None, 5, HUGE, {"a": [1, {"b": '[{"'}]}, {"text": "[{\\" * 100_000}, ["[" * 100_000, '"'] * 3]
)
def test_usual_value_is_read(value):
    assert read_json(json.dumps(value)) == value


@pytest.mark.parametrize("piece", ["[]", "{}", '[""]', '{"a":1}'])
async def test_value_with_too_many_containers_is_not_parsed(piece):
    async with responsive():
        with pytest.raises(TooLargeError):
            read_json(f"[{','.join([piece] * MAX_CONTAINERS)}]")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        '"' + '\\"' * 300_000,
        '"' + '\\"[' * 300_000 + "\\",
        '["' * 300_000,
        '"[\\' * 300_000,
        ("1" * 299 + " ") * 3_000,
        "",
        *("NaN", "[-Infinity]", "1e999", "9" * 250 + "e99"),
    ],
)
async def test_text_that_is_not_json_is_refused_quickly(text):
    async with responsive():
        with pytest.raises(ValueError, match=r"\w"):
            read_json(text)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        ([1] * 100, {"nodes": 100}),
        ({"a": {"b": [{}]}}, {"depth": 3}),
        ({"a" * 500: "b" * 501}, {"characters": 1_000}),
    ],
)
def test_value_beyond_one_of_its_bounds_is_refused(value, bounds):
    within = {"nodes": 101, "depth": 4, "characters": 1_001}
    check_size(value, **within)
    with pytest.raises(TooLargeError):
        check_size(value, **{**within, **bounds})
