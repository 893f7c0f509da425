"""Who may call the token endpoint: secret, Basic, assertions; and every refusal."""

import base64
import hashlib
import hmac
import json
import uuid

import pytest
from joserfc import jwk, jwt

from sandbox.state.directory import AGENT

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def assertion(sandbox, *, key=None, algorithm="HS256", **claims) -> dict[str, str]:
    now = int(sandbox.clock.now)
    members = {
        "iss": AGENT,
        "sub": AGENT,
        "aud": sandbox.cloud.addresses.token_endpoint,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 600,
    } | claims
    key = key or jwk.OctKey.import_key(sandbox.cloud.secrets.agent_client_secret)
    return {
        "client_secret": None,
        "client_assertion_type": JWT_BEARER,
        "client_assertion": jwt.encode(
            {"alg": algorithm, "typ": "JWT"}, members, key, algorithms=[algorithm]
        ),
    }


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_client_may_authenticate_by_an_assertion_under_its_secret(sandbox, machine, algorithm) -> None:
    assert machine(**assertion(sandbox, algorithm=algorithm)).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_a_client_may_authenticate_by_an_assertion_under_its_private_key(sandbox, machine, algorithm) -> None:
    key = jwk.RSAKey.import_key(sandbox.cloud.secrets.agent_private_key)
    assert machine(**assertion(sandbox, key=key, algorithm=algorithm)).status_code == 200


def test_a_wrong_secret_is_refused_in_the_form_and_by_basic(machine, refusal) -> None:
    assert refusal(machine(client_secret="wrong")) == (401, "invalid_client")
    headers = {"Authorization": "Basic " + base64.b64encode(f"{AGENT}:wrong".encode()).decode()}
    response = machine(headers=headers, client_secret=None)
    assert refusal(response) == (401, "invalid_client")
    assert response.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("header", ["Basic ???", "Basic /w==", "Bearer abc"])
def test_a_malformed_authorization_header_is_refused(machine, header, refusal) -> None:
    response = machine(headers={"Authorization": header}, client_secret=None)
    assert refusal(response) == (401, "invalid_client")


def test_an_unknown_client_and_a_missing_secret_are_refused(machine, refusal) -> None:
    assert refusal(machine(client_id="app_nobody")) == (401, "invalid_client")
    assert refusal(machine(client_secret=None)) == (401, "invalid_client")


def test_two_methods_at_once_are_refused(sandbox, machine, refusal) -> None:
    both = assertion(sandbox) | {"client_secret": sandbox.cloud.secrets.agent_client_secret}
    assert refusal(machine(**both)) == (400, "invalid_request")


def test_a_client_id_beside_basic_or_an_assertion_must_be_the_same(sandbox, machine, refusal) -> None:
    pair = f"{AGENT}:{sandbox.cloud.secrets.agent_client_secret}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    response = machine(headers=headers, client_secret=None, client_id="app_client01")
    assert refusal(response) == (400, "invalid_request")
    assert refusal(machine(**assertion(sandbox), client_id="app_client01")) == (400, "invalid_request")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "app_client01"},
        {"aud": "https://elsewhere.example/token"},
        {"aud": None},
        {"exp": "soon"},
        {"iss": "app_nobody"},
    ],
)
def test_an_assertion_with_wrong_claims_is_refused(sandbox, machine, claims, refusal) -> None:
    assert refusal(machine(**assertion(sandbox, **claims))) == (401, "invalid_client")


def test_an_assertion_from_the_far_future_is_refused(sandbox, machine, refusal) -> None:
    now = int(sandbox.clock.now)
    assert refusal(machine(**assertion(sandbox, exp=now + 7200))) == (401, "invalid_client")
    assert refusal(machine(**assertion(sandbox, iat=now + 120))) == (401, "invalid_client")


def test_an_expired_assertion_is_refused_and_counted(sandbox, machine, refusal) -> None:
    late = assertion(sandbox)
    sandbox.clock.advance(600)
    assert refusal(machine(**late)) == (401, "invalid_client")
    assert sandbox.cloud.counters.snapshot()["idaas:expired_credential"] == 1


def test_an_assertion_signed_by_another_key_is_refused(sandbox, machine, refusal) -> None:
    foreign = jwk.RSAKey.generate_key(2048)
    response = machine(**assertion(sandbox, key=foreign, algorithm="RS256"))
    assert refusal(response) == (401, "invalid_client")


def test_the_public_key_is_never_taken_for_a_secret(sandbox, machine, refusal) -> None:
    public = sandbox.cloud.directory.applications[AGENT].public_key
    header = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=")
    now = int(sandbox.clock.now)
    claims = {"iss": AGENT, "sub": AGENT, "aud": sandbox.cloud.addresses.token_endpoint, "exp": now + 60}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    signed = hmac.new(public.encode(), header + b"." + payload, hashlib.sha256).digest()
    forged = b".".join([header, payload, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()
    form = {"client_secret": None, "client_assertion_type": JWT_BEARER, "client_assertion": forged}
    assert refusal(machine(**form)) == (401, "invalid_client")


@pytest.mark.parametrize("text", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcHBfYWdlbnQwMSJ9."])
def test_a_malformed_or_unsigned_assertion_is_refused(machine, text, refusal) -> None:
    form = {"client_secret": None, "client_assertion_type": JWT_BEARER, "client_assertion": text}
    assert refusal(machine(**form)) == (401, "invalid_client")


def test_another_kind_of_assertion_is_refused(machine, refusal) -> None:
    kind = "urn:cloud:idaas:params:oauth:client-assertion-type:other"
    form = {"client_secret": None, "client_assertion_type": kind, "client_assertion": "x"}
    assert refusal(machine(**form)) == (401, "invalid_client")


def test_a_disabled_client_is_refused(sandbox, machine, refusal) -> None:
    sandbox.cloud.directory.disabled.add(AGENT)
    assert refusal(machine()) == (403, "access_denied")
