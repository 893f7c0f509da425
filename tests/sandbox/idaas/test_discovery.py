"""The published keys, and which web pages may read them."""

import pytest

PAGE = "http://localhost:9001"


def test_the_jwks_has_public_rsa_members_only_and_a_reset_brings_back_the_first_key(sandbox, client) -> None:
    (key,) = client.get(sandbox.cloud.addresses.jwks).json()["keys"]
    assert set(key) == {"kty", "kid", "alg", "use", "n", "e"}
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
    sandbox.cloud.keys.rotate(overlap=False)
    sandbox.cloud.reset()
    assert sandbox.cloud.jwks() == {"keys": [key]}


@pytest.mark.parametrize("name", ["jwks", "discovery"])
def test_registered_pages_may_read_and_others_may_not(sandbox, client, name) -> None:
    address = getattr(sandbox.cloud.addresses, name)
    assert client.get(address, headers={"Origin": PAGE}).headers["access-control-allow-origin"] == PAGE
    foreign = client.get(address, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_a_registered_page_may_redeem_its_code_and_another_may_not(sandbox, client) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    response = client.options(sandbox.cloud.addresses.token_endpoint, headers=headers)
    assert response.headers["access-control-allow-origin"] == PAGE
    headers["Origin"] = "https://evil.example"
    assert client.options(sandbox.cloud.addresses.token_endpoint, headers=headers).status_code == 400
