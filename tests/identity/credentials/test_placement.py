"""A credential is sent where its placement says, and is not in the URL, representation or log."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from identity.credentials.placement import BEARER, Placement
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.secrets.secret import Secret
from identity.transport.client import http_client

KEY = Secret("a-key+/=&")


@pytest.mark.parametrize(
    ("placement", "header", "value"),
    [
        (BEARER, "authorization", "Bearer a-key+/=&"),
        (Placement("Authorization", "ApiKey"), "authorization", "ApiKey a-key+/=&"),
        (Placement("X-API-Key"), "x-api-key", "a-key+/=&"),
        (Placement("api-key"), "api-key", "a-key+/=&"),
    ],
)
def test_header_carries_the_credential_once(placement: Placement, header: str, value: str) -> None:
    request = httpx.Request("GET", "https://service.example/")
    placement.attach(request, Secret("an-earlier-one"))
    placement.attach(request, KEY)
    assert request.headers.get_list(header) == [value]
    assert [name for name in ("authorization", "x-api-key", "api-key") if name in request.headers] == [header]


async def test_query_parameter_is_sent_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "httpx")  # a command of another test may have made it quieter
    request = httpx.Request("GET", "https://service.example/map?key=planted&k%65y=planted&city=%E6%9D%AD&k=1")
    Placement(query="key").attach(request, Secret("an-earlier-one"))
    Placement(query="key").attach(request, KEY)
    assert "a-key" not in f"{request!r} {request.url} {request.headers}"
    sent: list[bytes] = []

    async def serve(reader: Any, writer: Any) -> None:
        sent.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    async with server, http_client(None, 5.0) as http:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
        assert (await http.send(request)).status_code == 200
    assert sent[0].split(b"\r\n")[0] == b"GET /map?city=%E6%9D%AD&k=1&key=a-key%2B%2F%3D%26 HTTP/1.1"
    assert "/map" in caplog.text  # the client does log the URL
    assert "a-key" not in caplog.text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Placement(),
        lambda: Placement("X-API-Key", query="key"),
        lambda: Placement("X API Key"),
        lambda: Placement("X-Key\r\nHost"),
        lambda: Placement("Host"),
        lambda: Placement("Content-Length"),
        lambda: Placement("Cookie"),
        lambda: Placement("Authorization", "Bearer x"),
        lambda: Placement(query="key", scheme="Bearer"),
        lambda: Placement(query="a&b"),
        lambda: Placement(query="a=b"),
    ],
)
def test_name_that_cannot_carry_a_credential_is_refused(make: Callable[[], Placement]) -> None:
    with pytest.raises(ValueError, match=r"header|query parameter|scheme"):
        make()


@pytest.mark.parametrize("placement", [BEARER, Placement("X-API-Key"), Placement(query="key")])
@pytest.mark.parametrize("value", ["", "two words", "line\r\nX-Admin: 1", "ключ"])
def test_unsendable_secret_is_refused_without_its_value(placement: Placement, value: str) -> None:
    request = httpx.Request("GET", "https://service.example/")
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        placement.attach(request, Secret(value))
    assert not value or value not in str(caught.value)
    assert "target" not in request.extensions
    assert "authorization" not in request.headers


def test_placement_is_not_compared() -> None:
    by_header = ApiKeyRequirement("amap_api_key", placement=Placement("X-API-Key"))
    assert by_header == ApiKeyRequirement("amap_api_key")
    assert hash(by_header) == hash(ApiKeyRequirement("amap_api_key"))
    assert ApiKeyRequirement("amap_api_key").placement == BEARER
    token = AccessTokenRequirement("https://service.example|read", placement=Placement("X-Token"))
    assert token == AccessTokenRequirement("https://service.example|read")
    assert token.placement == Placement("X-Token")
