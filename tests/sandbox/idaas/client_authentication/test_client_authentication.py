"""Who may not call the token endpoint: the refusals of secrets, Basic and assertions."""

import base64
import hashlib
import hmac
import json
import uuid

import pytest
from joserfc import jwk, jwt

from sandbox.state.directory import AGENT

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def presented(assertion: str, kind: str = JWT_BEARER) -> dict[str, str | None]:
    """The members of a form with an assertion in the place of the secret."""
    return {"client_secret": None, "client_assertion_type": kind, "client_assertion": assertion}


def assertion(sandbox, *, key=None, algorithm="HS256", **claims) -> dict[str, str | None]:
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
    header = {"alg": algorithm, "typ": "JWT"}
    return presented(jwt.encode(header, members, key, algorithms=[algorithm]))


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def test_a_wrong_secret_is_refused_in_the_form_and_by_basic(machine, refusal) -> None:
    assert refusal(machine(client_secret="wrong")) == (401, "invalid_client")
    response = machine(headers=basic(f"{AGENT}:wrong"), client_secret=None)
    assert refusal(response) == (401, "invalid_client")
    assert response.headers["www-authenticate"].startswith("Basic")


def test_an_unknown_client_a_missing_secret_and_a_disabled_client_are_refused(
    sandbox, machine, refusal
) -> None:
    assert refusal(machine(client_id="app_nobody")) == (401, "invalid_client")
    assert refusal(machine(client_secret=None)) == (401, "invalid_client")
    sandbox.cloud.directory.disabled.add(AGENT)
    assert refusal(machine()) == (403, "access_denied")


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


def test_an_assertion_from_the_far_future_and_an_expired_one_are_refused(sandbox, machine, refusal) -> None:
    now = int(sandbox.clock.now)
    assert refusal(machine(**assertion(sandbox, exp=now + 7200))) == (401, "invalid_client")
    assert refusal(machine(**assertion(sandbox, iat=now + 120))) == (401, "invalid_client")
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
    assert refusal(machine(**presented(forged))) == (401, "invalid_client")
