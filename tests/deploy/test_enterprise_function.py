"""The enterprise function verifies audience, permission, issuer, lifetime and signature itself."""

import base64
import hmac
import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from sandbox.state.directory import ENTERPRISE_AUDIENCE
from tests.suite import Sandbox

APP = Path(__file__).parents[2] / "deploy" / "enterprise-service" / "app.py"


@pytest.fixture(scope="module")
def function() -> ModuleType:
    spec = importlib.util.spec_from_file_location("enterprise_function", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def url(function: ModuleType, sandbox: Sandbox) -> Iterator[str]:
    check = function.TokenCheck(
        sandbox.cloud.jwks(), issuer=sandbox.issuer, audience=ENTERPRISE_AUDIENCE, permission="service.invoke"
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), function.handler(check))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def token(sandbox: Sandbox, **changes: Any) -> dict[str, str]:
    arguments = {"audience": ENTERPRISE_AUDIENCE, "permissions": ("service.invoke",)} | changes
    return {"Authorization": f"Bearer {sandbox.access_token('alice', **arguments)}"}


def test_valid_token_is_accepted(url: str, sandbox: Sandbox) -> None:
    for response in (
        httpx.get(url, headers=token(sandbox)),
        httpx.post(url, headers=token(sandbox), json={}),
    ):
        assert (response.status_code, response.json()["caller"]) == (200, "user_alice01")
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "https://agent.sandbox.example"},
        {"permissions": ("other",)},
        {"permissions": ()},
        {"iss": "https://other.example"},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"scope": None},
        {"header": {"kid": "other"}},
    ],
)
def test_invalid_token_is_refused(url: str, sandbox: Sandbox, changes: dict[str, Any]) -> None:
    response = httpx.get(url, headers=token(sandbox, **changes))
    assert response.status_code == 403
    assert response.json().keys() == {"error"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}])
def test_request_without_a_token_is_refused(url: str, headers: dict[str, str]) -> None:
    assert httpx.get(url, headers=headers).status_code == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_token_of_another_algorithm_is_refused(url: str, sandbox: Sandbox, algorithm: str) -> None:
    _, payload, _ = token(sandbox)["Authorization"].removeprefix("Bearer ").split(".")
    head = {"alg": algorithm, "kid": sandbox.cloud.keys.current.kid}
    key = sandbox.cloud.keys.current.as_pem(private=False)
    signing_input = f"{encoded(json.dumps(head).encode())}.{payload}"
    signature = "" if algorithm == "none" else encoded(hmac.digest(key, signing_input.encode(), "sha256"))
    headers = {"Authorization": f"Bearer {signing_input}.{signature}"}
    assert httpx.get(url, headers=headers).status_code == 403


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_malformed_token_is_refused(url: str) -> None:
    assert httpx.get(url, headers={"Authorization": "Bearer a.b.c"}).status_code == 403


def test_log_contains_neither_token_nor_query(url: str, sandbox: Sandbox, capfd: Any) -> None:
    headers = token(sandbox) | {"x-fc-request-id": "r1"}
    httpx.get(f"{url}/?secret=sesame", headers=headers)
    written = capfd.readouterr()
    line = json.loads(written.out.splitlines()[-1])
    assert (line["request_id"], line["path"], line["status"]) == ("r1", "/", "200")
    assert "sesame" not in written.out + written.err
    assert headers["Authorization"][20:60] not in written.out + written.err


def test_check_without_an_audience_is_not_created(function: ModuleType, sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="SERVICE_AUDIENCE"):
        function.TokenCheck(sandbox.cloud.jwks(), issuer=sandbox.issuer, audience="", permission="p")
