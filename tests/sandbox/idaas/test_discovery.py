"""Discovery, keys and their rotation, and which web pages may read them."""

import pytest
from joserfc import jwk, jwt
from joserfc.errors import JoseError

PAGE = "http://localhost:9001"


def test_discovery_names_the_documented_addresses(sandbox, client) -> None:
    document = client.get(f"{sandbox.issuer}/.well-known/openid-configuration").json()
    host = sandbox.cloud.addresses.idaas
    assert document["issuer"] == sandbox.issuer == f"{host}/api/v2/iauths_system/oauth2"
    assert document["token_endpoint"] == f"{sandbox.issuer}/token"
    assert document["jwks_uri"] == f"{sandbox.issuer}/jwks"
    assert document["authorization_endpoint"] == f"{host}/login/app/common/oauth2/authorize"
    assert document["end_session_endpoint"] == f"{host}/login/app/common/oauth2/logout"


def test_the_plain_port_serves_the_same_document(sandbox, client) -> None:
    path = "/api/v2/iauths_system/oauth2/.well-known/openid-configuration"
    assert client.get(sandbox.url(path, "idaas_plain")).json()["issuer"] == sandbox.issuer


def test_the_jwks_has_public_rsa_members_only(sandbox, client) -> None:
    (key,) = client.get(sandbox.cloud.addresses.jwks).json()["keys"]
    assert set(key) == {"kty", "kid", "alg", "use", "n", "e"}
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")


def verifies(client, sandbox, token: str) -> bool:
    keys = jwk.KeySet.import_key_set(client.get(sandbox.cloud.addresses.jwks).json())
    try:
        jwt.decode(token, keys, algorithms=["RS256"])
    except (JoseError, ValueError):
        return False
    return True


def test_rotation_with_overlap_keeps_old_tokens_valid(sandbox, client) -> None:
    before = sandbox.access_token()
    sandbox.cloud.keys.rotate(overlap=True)
    after = sandbox.access_token()
    assert len(client.get(sandbox.cloud.addresses.jwks).json()["keys"]) == 2
    assert verifies(client, sandbox, before)
    assert verifies(client, sandbox, after)


def test_hard_rotation_invalidates_old_tokens(sandbox, client) -> None:
    before = sandbox.access_token()
    sandbox.cloud.keys.rotate(overlap=False)
    assert not verifies(client, sandbox, before)
    assert verifies(client, sandbox, sandbox.access_token())


def test_a_reset_brings_back_the_first_key(sandbox) -> None:
    first = sandbox.cloud.jwks()
    sandbox.cloud.keys.rotate(overlap=False)
    sandbox.cloud.reset()
    assert sandbox.cloud.jwks() == first


@pytest.mark.parametrize("name", ["jwks", "discovery"])
def test_registered_pages_may_read_and_others_may_not(sandbox, client, name) -> None:
    address = getattr(sandbox.cloud.addresses, name)
    assert client.get(address, headers={"Origin": PAGE}).headers["access-control-allow-origin"] == PAGE
    foreign = client.get(address, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_a_registered_page_may_redeem_its_code(sandbox, client) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    response = client.options(sandbox.cloud.addresses.token_endpoint, headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    headers["Origin"] = "https://evil.example"
    assert client.options(sandbox.cloud.addresses.token_endpoint, headers=headers).status_code == 400
