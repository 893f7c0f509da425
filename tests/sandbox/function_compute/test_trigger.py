"""The HTTP trigger's JWT authentication by itself: keys, algorithms, times, claims."""

import base64
import functools
import json

import httpx
import pytest
from joserfc import jwk, jws
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.function_compute.http_trigger import HttpTrigger, TokenRejectedError, check
from sandbox.state.records import Counters

NOW = 1_795_492_800
CLAIMS = {"sub": "user_alice01", "exp": NOW + 60}


@functools.cache
def rsa(name):
    """The key of this name, made when a test needs it: the file is imported by each process of the suite."""
    return jwk.RSAKey.generate_key(2048, {"kid": "k1"})


def token(claims=None, key_name="pasted", alg="RS256", **header):
    key, payload = rsa(key_name), json.dumps(CLAIMS if claims is None else claims)
    return jws.serialize_compact({"alg": alg, "kid": key.kid, **header}, payload, key, algorithms=[alg])


def jwks(*keys, **members):
    return {"keys": [{**key.as_dict(private=key.key_type == "oct"), **members} for key in keys]}


def test_audience_issuer_and_scope_are_not_checked():
    anything = {"iss": "https://elsewhere.example", "aud": "another", "scope": "", "exp": NOW + 1}
    assert check(token(anything), jwks(rsa("pasted")), NOW) == anything


@pytest.mark.parametrize(
    ("claims", "expired"),
    [({"exp": NOW}, True), ({"exp": NOW + 60, "nbf": NOW + 1}, False), ({"exp": "soon"}, False)],
)
def test_times_are_kept_to_the_second(claims, expired):
    assert check(token({"exp": NOW + 1, "nbf": NOW}), jwks(rsa("pasted")), NOW)
    with pytest.raises(TokenRejectedError) as rejected:
        check(token(claims), jwks(rsa("pasted")), NOW)
    assert rejected.value.expired is expired


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(header):
    return f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(CLAIMS).encode())}."


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: "a.b", id="two parts"),
        pytest.param(lambda: "é.é.é", id="no ascii"),
        pytest.param(lambda: unsigned({"alg": "none", "kid": "k1"}), id="alg none"),
        pytest.param(lambda: unsigned([]), id="header is a list"),
        pytest.param(lambda: unsigned({"alg": ["RS256"], "kid": "k1"}), id="alg is a list"),
        pytest.param(lambda: token(key_name="another"), id="another key of the same kid"),
        pytest.param(lambda: token(kid="unknown"), id="unknown kid"),
        pytest.param(lambda: token(claims=["no", "object"]), id="claims are a list"),
    ],
)
def test_token_that_was_not_signed_by_a_pasted_key_is_rejected(bad):
    with pytest.raises(TokenRejectedError):
        check(bad(), jwks(rsa("pasted")), NOW)


async def echo(scope, receive, send):
    await JSONResponse(dict(Request(scope, receive).headers))(scope, receive, send)


@pytest.fixture
def http():
    function = HttpTrigger(echo, lambda: jwks(rsa("pasted")), lambda: "Bearer ", Counters(), lambda: NOW)
    return httpx.AsyncClient(transport=httpx.ASGITransport(function), base_url="http://function.example")


async def test_claims_are_passed_on_and_cannot_be_forged(http):
    claims = {"sub": "王", "aud": ["a", "b"], "client_id": "app", "exp": NOW + 60}
    forged = {"X-Jwt-Sub": "mallory", "x-jwt-scope": "everything", "x-fc-account-id": "1", "x-other": "kept"}
    answer = await http.get("/", headers={"Authorization": f"Bearer {token(claims)}"} | forged)
    headers = answer.json()
    assert (json.loads(headers["x-jwt-sub"]), headers["x-jwt-client-id"]) == ("王", "app")
    assert json.loads(headers["x-jwt-aud"]) == ["a", "b"]
    assert not {"x-jwt-scope", "x-fc-account-id"} & headers.keys()
    assert headers["x-other"] == "kept"
