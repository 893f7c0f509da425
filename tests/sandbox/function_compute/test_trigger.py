"""The HTTP trigger's JWT authentication by itself: keys, algorithms, times, claims."""

import base64
import hmac
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
RSA = jwk.RSAKey.generate_key(2048, {"kid": "k1"})
OTHER_RSA = jwk.RSAKey.generate_key(2048, {"kid": "k1"})
EC = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
ED = jwk.OKPKey.generate_key("Ed25519", {"kid": "ed"})
OCT = jwk.OctKey.generate_key(256, {"kid": "oct"})


def token(claims=None, key=RSA, alg="RS256", **header):
    payload = json.dumps(CLAIMS if claims is None else claims)
    return jws.serialize_compact({"alg": alg, "kid": key.kid, **header}, payload, key, algorithms=[alg])


def jwks(*keys, **members):
    return {"keys": [{**key.as_dict(private=key.key_type == "oct"), **members} for key in keys]}


def without_kid(key):
    return {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}


@pytest.mark.parametrize(
    ("key", "alg"),
    [(RSA, "RS256"), (RSA, "RS512"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA"), (OCT, "HS256")],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_signature_of_every_documented_family_is_verified(key, alg):
    assert check(token(key=key, alg=alg), jwks(RSA, EC, ED, OCT), NOW) == CLAIMS


def test_token_without_kid_is_verified_by_the_key_without_kid():
    bare = jws.serialize_compact({"alg": "RS256"}, json.dumps(CLAIMS), RSA, algorithms=["RS256"])
    assert check(bare, {"keys": [EC.as_dict(private=False), without_kid(RSA)]}, NOW) == CLAIMS
    with pytest.raises(TokenRejectedError):
        check(bare, jwks(RSA), NOW)


def test_audience_issuer_and_scope_are_not_checked():
    anything = {"iss": "https://elsewhere.example", "aud": "another", "scope": "", "exp": NOW + 1}
    assert check(token(anything), jwks(RSA), NOW) == anything


@pytest.mark.parametrize(
    ("claims", "passes", "expired"),
    [
        ({"exp": NOW + 1}, True, False),
        ({"exp": NOW}, False, True),
        ({"exp": NOW - 3600}, False, True),
        ({}, True, False),
        ({"exp": NOW + 60, "nbf": NOW}, True, False),
        ({"exp": NOW + 60, "nbf": NOW + 1}, False, False),
        ({"exp": "soon"}, False, False),
        ({"exp": True}, False, False),
    ],
)
def test_times_are_kept_to_the_second(claims, passes, expired):
    if passes:
        assert check(token(claims), jwks(RSA), NOW) == claims
        return
    with pytest.raises(TokenRejectedError) as rejected:
        check(token(claims), jwks(RSA), NOW)
    assert rejected.value.expired is expired


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(header):
    return f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(CLAIMS).encode())}."


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b", id="two parts"),
        pytest.param("a.b.c", id="no base64"),
        pytest.param("é.é.é", id="no ascii"),
        pytest.param(unsigned({"alg": "none", "kid": "k1"}), id="alg none"),
        pytest.param(unsigned({"alg": "RS256", "kid": "k1"}), id="no signature"),
        pytest.param(unsigned([]), id="header is a list"),
        pytest.param(unsigned({"alg": ["RS256"], "kid": "k1"}), id="alg is a list"),
        pytest.param(token(key=OTHER_RSA), id="another key of the same kid"),
        pytest.param(token(kid="unknown"), id="unknown kid"),
        pytest.param(token(claims=["no", "object"]), id="claims are a list"),
        pytest.param(token()[:-9] + "xxxxxxxxx", id="changed signature"),
    ],
)
def test_token_that_was_not_signed_by_a_pasted_key_is_rejected(bad):
    with pytest.raises(TokenRejectedError):
        check(bad, jwks(RSA), NOW)


def test_algorithm_of_the_key_is_honoured():
    with pytest.raises(TokenRejectedError):
        check(token(alg="RS512"), jwks(RSA, alg="RS256"), NOW)


def test_public_key_is_no_secret_for_an_hmac():
    signed = unsigned({"alg": "HS256", "kid": "k1"}).rstrip(".")
    signature = hmac.digest(RSA.as_pem(private=False), signed.encode(), "sha256")
    with pytest.raises(TokenRejectedError):
        check(f"{signed}.{base64url(signature)}", jwks(RSA), NOW)


async def echo(scope, receive, send):
    await JSONResponse(dict(Request(scope, receive).headers))(scope, receive, send)


def trigger(prefix="Bearer "):
    counters = Counters()
    function = HttpTrigger(echo, lambda: jwks(RSA), lambda: prefix, counters, lambda: NOW)
    transport = httpx.ASGITransport(function)
    return httpx.AsyncClient(transport=transport, base_url="http://function.example"), counters


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": token()}, {"Authorization": f"bearer {token()}"}, {"Authorization": "Bearer "}],
)
async def test_value_without_the_prefix_is_a_missing_token(headers):
    http, counters = trigger()
    answer = await http.get("/", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["Code"] == "JWTTokenIsMissing"
    assert answer.json()["RequestId"] == answer.headers["x-fc-request-id"]
    assert counters.snapshot() == {"function_compute:jwt_rejected": 1}


async def test_claims_are_passed_on_and_cannot_be_forged():
    claims = {"sub": "王", "aud": ["a", "b"], "client_id": "app", "exp": NOW + 60}
    http, _ = trigger()
    forged = {"X-Jwt-Sub": "mallory", "x-jwt-scope": "everything", "x-fc-account-id": "1", "x-other": "kept"}
    answer = await http.get("/", headers={"Authorization": f"Bearer {token(claims)}"} | forged)
    headers = answer.json()
    assert (json.loads(headers["x-jwt-sub"]), headers["x-jwt-client-id"]) == ("王", "app")
    assert json.loads(headers["x-jwt-aud"]) == ["a", "b"]
    assert not {"x-jwt-scope", "x-fc-account-id"} & headers.keys()
    assert headers["x-fc-request-id"].startswith("1-")
    assert headers["x-other"] == "kept"


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/echo/x", 200), ("/leave", 403), ("/", 403)]
)
async def test_only_open_paths_need_no_token(path, status):
    http, _ = trigger()
    assert (await http.get(path)).status_code == status


async def test_open_path_still_cannot_forge_claims():
    http, _ = trigger()
    answer = await http.get("/healthz", headers={"x-jwt-sub": "mallory"})
    assert "x-jwt-sub" not in answer.json()
