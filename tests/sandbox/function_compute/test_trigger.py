"""The HTTP trigger's JWT authentication by itself: keys, algorithms, times, ways of tokens and claims."""

import base64
import hmac
import json

import httpx
import pytest
from joserfc import jwk, jws
from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox.function_compute.http_trigger import HttpTrigger
from sandbox.function_compute.jwt_authentication import ClaimPassBy, JwtAuthentication, TokenLookup
from sandbox.function_compute.jwt_check import TokenRejectedError, check
from sandbox.state.counters import Counters

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
    assert check(token(key=key, alg=alg), jwks(RSA, EC, ED, OCT), NOW).claims == CLAIMS


def test_token_without_kid_is_verified_by_the_key_without_kid():
    bare = jws.serialize_compact({"alg": "RS256"}, json.dumps(CLAIMS), RSA, algorithms=["RS256"])
    assert check(bare, {"keys": [EC.as_dict(private=False), without_kid(RSA)]}, NOW).claims == CLAIMS
    with pytest.raises(TokenRejectedError):
        check(bare, jwks(RSA), NOW)


def test_audience_issuer_and_scope_are_not_checked():
    anything = {"iss": "https://elsewhere.example", "aud": "another", "scope": "", "exp": NOW + 1}
    assert check(token(anything), jwks(RSA), NOW).claims == anything


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
        assert check(token(claims), jwks(RSA), NOW).claims == claims
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
    request = Request(scope, receive)
    await JSONResponse({"headers": dict(request.headers), "query": dict(request.query_params)})(
        scope, receive, send
    )


def trigger(lookup="header:Authorization:Bearer ", claims="", **members):
    counters = Counters()
    authentication = JwtAuthentication(
        jwks=lambda: jwks(RSA),
        lookups=lambda: TokenLookup.parse(lookup),
        claims=ClaimPassBy.parse(claims),
        **members,
    )
    transport = httpx.ASGITransport(HttpTrigger(echo, authentication, counters, lambda: NOW))
    return httpx.AsyncClient(transport=transport, base_url="http://function.example"), counters


@pytest.mark.parametrize(
    ("lookup", "where"),
    [
        ("header:Authorization:Bearer ", {"headers": {"Authorization": f"Bearer {token()}"}}),
        ("header:X-Token", {"headers": {"X-Token": token()}}),
        ("query:token", {"params": {"token": token()}}),
        ("cookie:token", {"headers": {"Cookie": f"a=b; token={token()}"}}),
        ("header:X-Token,query:token", {"params": {"token": token()}}),
    ],
)
async def test_token_is_read_from_the_configured_place(lookup, where):
    http, _ = trigger(lookup)
    assert (await http.get("/", **where)).status_code == 200


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


async def test_expired_token_is_rejected_and_counted():
    http, counters = trigger()
    answer = await http.get("/", headers={"Authorization": f"Bearer {token({'exp': NOW - 1})}"})
    assert (answer.status_code, answer.json()["Code"]) == (403, "JWTTokenIsInvalid")
    assert counters.snapshot()["function_compute:expired_credential"] == 1


async def test_claims_are_passed_on_and_cannot_be_forged():
    claims = {"sub": "alice", "aud": ["a", "b"], "name": "王", "exp": NOW + 60}
    http, _ = trigger(
        claims="header:sub:x-sub,header:aud:x-aud,header:name:x-name,query:sub:who,header:scope:x-scope"
    )
    answer = await http.get(
        "/",
        params={"who": "mallory", "other": "kept"},
        headers={
            "Authorization": f"Bearer {token(claims)}",
            "X-Sub": "mallory",
            "x-scope": "everything",
            "x-fc-account-id": "1",
            "x-other": "kept",
        },
    )
    headers, query = answer.json()["headers"], answer.json()["query"]
    assert headers["x-sub"] == "alice"
    assert json.loads(headers["x-aud"]) == ["a", "b"]
    assert json.loads(headers["x-name"]) == "王"
    assert "x-scope" not in headers
    assert "x-fc-account-id" not in headers
    assert headers["x-fc-request-id"].startswith("1-")
    assert headers["x-other"] == "kept"
    assert query == {"who": "alice", "other": "kept"}


@pytest.mark.parametrize(
    ("members", "path", "status"),
    [
        ({"whitelist": ("/open", "/free/*")}, "/open", 200),
        ({"whitelist": ("/open", "/free/*")}, "/free/of/charge", 200),
        ({"whitelist": ("/open", "/free/*")}, "/opened", 403),
        ({"whitelist": ("/open", "/free/*")}, "/", 403),
        ({"blacklist": ("/shut/*",)}, "/shut/1", 403),
        ({"blacklist": ("/shut/*",)}, "/", 200),
    ],
)
async def test_lists_say_which_paths_need_a_token(members, path, status):
    http, _ = trigger(**members)
    assert (await http.get(path)).status_code == status


async def test_open_path_still_cannot_forge_claims():
    http, _ = trigger(claims="header:sub:x-sub", whitelist=("/open",))
    answer = await http.get("/open", headers={"x-sub": "mallory"})
    assert "x-sub" not in answer.json()["headers"]


def test_both_lists_together_are_refused():
    with pytest.raises(ValueError, match="whitelist"):
        JwtAuthentication(dict, tuple, whitelist=("/a",), blacklist=("/b",))


@pytest.mark.parametrize(
    "make", [lambda: TokenLookup("form", "t"), lambda: ClaimPassBy("cookie", "sub", "s")]
)
def test_position_that_is_not_implemented_is_refused(make):
    with pytest.raises(ValueError, match="position"):
        make()


def test_default_claim_configuration_passes_no_claim():
    assert ClaimPassBy.parse("query::") == ()
