"""Client assertions: the algorithm that the vendor's SDK would choose, and never the same assertion twice."""

from typing import Any

import jwt
import pytest
from cloud_idaas.core.implementation.authentication.jwt import StaticPrivateKeyAssertionProvider
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from identity.idaas.client_authentication.declaration import read_private_key
from identity.idaas.client_authentication.method import Grant, TokenRequest
from identity.idaas.client_authentication.own_credential import ClientSecretJwt, PrivateKeyJwt
from identity.secrets.secret import Secret
from identity.secrets.secret_file import FixedSecret

TOKEN_ENDPOINT = "https://idaas.example/token"
REQUEST = TokenRequest.unauthenticated(Grant("https://service.example|read"), TOKEN_ENDPOINT)
KEYS: dict[str, Any] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "RS384": lambda: rsa.generate_private_key(65537, 2056),
    "RS512": lambda: rsa.generate_private_key(65537, 3080),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
}


@pytest.mark.parametrize("algorithm", KEYS)
async def test_key_determines_the_algorithm_as_in_the_sdk(algorithm: str, clock: Any) -> None:
    key = KEYS[algorithm]()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    ours = await PrivateKeyJwt("app", FixedSecret(read_private_key(pem)), TOKEN_ENDPOINT, clock).authenticate(
        REQUEST
    )
    theirs = StaticPrivateKeyAssertionProvider(pem)
    theirs.client_id, theirs.token_endpoint = "app", TOKEN_ENDPOINT
    header = jwt.get_unverified_header(ours.form["client_assertion"])
    assert header == jwt.get_unverified_header(theirs.get_client_assertion())
    assert header["alg"] == algorithm
    claims = jwt.decode(
        ours.form["client_assertion"],
        key.public_key(),
        algorithms=[algorithm],
        audience=TOKEN_ENDPOINT,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["exp"] - claims["iat"] == 600
    assert claims["iat"] == clock.now


async def test_each_assertion_has_a_unique_jti(clock: Any) -> None:
    authentication = ClientSecretJwt("app", FixedSecret(Secret("s" * 40)), TOKEN_ENDPOINT, clock)
    assertions = [(await authentication.authenticate(REQUEST)).form["client_assertion"] for _ in range(20)]
    ids = {jwt.decode(text, options={"verify_signature": False})["jti"] for text in assertions}
    assert len(ids) == 20


async def test_credentials_of_a_request_are_not_printed(clock: Any) -> None:
    authentication = ClientSecretJwt("app", FixedSecret(Secret("s" * 40)), TOKEN_ENDPOINT, clock)
    request = await authentication.authenticate(REQUEST)
    assert repr(request) == f"TokenRequest(grant={REQUEST.grant!r}, server='token endpoint')"
