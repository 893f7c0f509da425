"""Every token of `tokens/*.json` is refused for its reason, by the verifier and over HTTP.

RFC 8725 and RFC 9068. `expect.keys` says whether the refusal requires a key; if not, no key is fetched.
"""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from identity.access_token.verifier import AccessTokenVerifier
from identity.errors import AccessTokenError, InsufficientScopeError
from identity.signing_keys.signing_key import signing_key
from sandbox.state.directory import AGENT_AUDIENCE
from tests.identity.conftest import StaticKeys
from tests.security.callers.forge import Forge, public_jwk

pytestmark = [pytest.mark.promise("verified-caller"), pytest.mark.promise("cheap-refusal")]

VECTORS = {
    f"{file.stem}: {vector['name']}": vector
    for file in sorted((Path(__file__).parent / "tokens").glob("*.json"))
    for vector in json.loads(file.read_text(encoding="utf-8"))
}
NOW = 1_795_526_961
LONGEST_HEADERS = 32_768
DAY = 86_400


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge(
        issuer="https://idaas.example/oauth2",
        audience=AGENT_AUDIENCE,
        kid="key-1",
        now=NOW,
        key=rsa.generate_private_key(65537, 2048),
        own_key=rsa.generate_private_key(65537, 2048),
        own_ec_key=ec.generate_private_key(ec.SECP256R1()),
    )


def verifier_and_keys(forge: Forge) -> tuple[AccessTokenVerifier, StaticKeys]:
    key = signing_key(public_jwk(forge.key) | {"kid": forge.kid})
    assert key is not None
    keys = StaticKeys({forge.kid: key})
    verifier = AccessTokenVerifier(
        issuer=forge.issuer, audience=forge.audience, scope="agent.access", keys=keys, clock=lambda: NOW
    )
    return verifier, keys


async def refusal(verifier: AccessTokenVerifier, token: str) -> AccessTokenError:
    with pytest.raises(AccessTokenError) as caught:
        await verifier.verify(token)
    return caught.value


async def test_forge_creates_a_valid_token_by_default(forge):
    verifier, _ = verifier_and_keys(forge)
    assert (await verifier.verify(forge.token({}))).principal.subject == "user_alice01"


@pytest.mark.parametrize("name", VECTORS)
async def test_verifier_refuses_the_token_for_its_reason_and_fetches_keys_only_if_needed(forge, name):
    vector = VECTORS[name]
    verifier, keys = verifier_and_keys(forge)
    error = await refusal(verifier, forge.token(vector))
    expected = vector["expect"]
    assert error.code == expected["code"]
    assert isinstance(error, InsufficientScopeError) == (expected["status"] == 403)
    assert expected["reason"] in error.detail
    assert keys.finds == int(expected["keys"])


async def test_bad_token_gets_its_status_over_http_and_fetches_keys_only_if_needed(
    start_agent, sandbox, forge, caplog
):
    caplog.set_level("WARNING", logger="idaas_agent.failure")
    agent = await start_agent()
    await agent.warm()
    # The cached keys are too old to be used from here on: a search for one causes a fetch.
    sandbox.clock.advance(DAY + 60)
    sandbox.cloud.counters.reset()
    here = Forge(
        issuer=sandbox.issuer,
        audience=AGENT_AUDIENCE,
        kid=sandbox.cloud.keys.current.kid,
        now=int(sandbox.clock.now),
        key=sandbox.cloud.keys.current.private_key,
        own_key=forge.own_key,
        own_ec_key=forge.own_ec_key,
    )
    wrong: dict[str, object] = {}
    for needs_key in (False, True):
        for name, vector in VECTORS.items():
            expected = vector["expect"]
            if expected["keys"] is not needs_key:
                continue
            token = here.token(vector)
            if len(token) > LONGEST_HEADERS:
                continue  # refused before the token is read: tests/agent/http/test_request_limits.py
            response = await agent.http.get(
                f"{agent.origin}/openai/v1/models", headers={"Authorization": f"Bearer {token}"}
            )
            error = response.json()["error"]
            details = {
                line.fields["request_id"]: line.fields["detail"]
                for line in caplog.records
                if line.name == "idaas_agent.failure"
            }
            detail = details[error["request_id"]]
            found = (response.status_code, error["code"], expected["reason"] in detail)
            if found != (expected["status"], expected["code"], True):
                wrong[name] = (found, detail)
            caplog.clear()
            assert len(token) < 40 or token not in response.text
            assert "error=" in response.headers["www-authenticate"]
        if not needs_key:
            assert "idaas:jwks" not in sandbox.cloud.counters.snapshot()
    assert wrong == {}
    # The first that needed a key, and one search for the unknown names: no further within the second.
    assert sandbox.cloud.counters.snapshot()["idaas:jwks"] <= 2
    good = await agent.http.get(
        f"{agent.origin}/openai/v1/models", headers={"Authorization": f"Bearer {here.token({})}"}
    )
    assert good.status_code == 200
