"""Client assertions: their algorithm and claims, and the private key that the SDK configuration names."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cloud_idaas.core.implementation.authentication.jwt import StaticPrivateKeyAssertionProvider
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from identity.errors import ConfigurationError
from identity.idaas.client_authentication.declaration import read_private_key
from identity.idaas.client_authentication.method import Grant, TokenRequest
from identity.idaas.client_authentication.own_credential import ClientSecretJwt, PrivateKeyJwt
from identity.idaas.configuration import SdkConfiguration
from identity.secrets.secret import Secret
from identity.secrets.secret_file import FixedSecret
from tests.identity.idaas.sdk_configurations import parsed, with_authn

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


def pem(key: Any, form: serialization.PrivateFormat, password: bytes | None = None) -> str:
    encryption: Any = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    text: bytes = key.private_bytes(serialization.Encoding.PEM, form, encryption)
    return text.decode()


PKCS8, TRADITIONAL = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
CURVES: dict[str, Callable[[], ec.EllipticCurvePrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


def key_configuration(value: str) -> SdkConfiguration:
    content = with_authn(authnMethod="PRIVATE_KEY_JWT", privateKeyEnvVarName="ENV_PRIVATE_KEY")
    return parsed(content, {"ENV_PRIVATE_KEY": value})


@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
@pytest.mark.parametrize("curve", [None, *CURVES])
def test_private_key_is_read_in_each_format(rsa_key, curve, form):
    key: Any = CURVES[curve]() if curve else rsa_key
    text = pem(key, form)
    for spelled in (text, text.replace("\n", "\\n"), text.replace("\n", " "), f"\n{text}\n"):
        authentication = key_configuration(spelled).client_authentication
        assert isinstance(authentication, PrivateKeyJwt)
        assert isinstance(authentication.credential, FixedSecret)
        assert authentication.credential.value.private_numbers() == key.private_numbers()
        assert "key" not in repr(authentication)


def test_unusable_key_is_a_fault_that_does_not_quote_it(rsa_key: rsa.RSAPrivateKey) -> None:
    good = pem(rsa_key, PKCS8)
    unfit = [
        "not a key at all, however long the text may be that stands here",
        good[:200],
        good.replace("MII", "MIJ", 1),
        pem(rsa_key, PKCS8, b"password"),
        pem(rsa.generate_private_key(65537, 1024), PKCS8),  # noqa: S505 - too small is the point
        pem(ec.generate_private_key(ec.SECP256K1()), PKCS8),
        pem(ed25519.Ed25519PrivateKey.generate(), PKCS8),
    ]
    for value in unfit:
        with pytest.raises(ConfigurationError) as caught:
            key_configuration(value)
        (fault,) = caught.value.faults
        assert 'member "authnConfiguration.privateKeyEnvVarName"' in fault
        assert value[40:60] not in fault
