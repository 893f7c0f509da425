"""PCA: a certificate of a private authority, and an assertion under its key."""

import re
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from sandbox.certificates import common_name
from sandbox.idaas.client_authentication.federated_credential import (
    check_identity,
    named_credential,
    refused,
    verify_chain,
)
from sandbox.idaas.client_authentication.own_secret import validate_assertion
from sandbox.oauth_error import OAuthError, required
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def by_certificate_assertion(cloud: Cloud, parameters: dict[str, str]) -> Application:
    """The client whose federated credential allows the common name of the certificate.

    Checked: chain to a root of the provider, dates, revocation, the assertion's signature by the
    certificate's key, its `iss`, `sub`, `aud`, `exp` and `iat`. Not checked: replay of its `jti`. The chain
    may contain the root.
    """
    client, credential = named_credential(cloud.directory, parameters, "pca")
    leaf = _certificates(required(parameters, "client_x509"))[0]
    chain = _certificates(required(parameters, "client_x509_chain"))
    federation, now = cloud.federation, cloud.clock()
    verify_chain(leaf, chain, federation.agent_roots, now=now, revoked=federation.revoked)
    claims = _verified(required(parameters, "client_assertion"), leaf)
    if claims.get("iss") != client.client_id:
        raise refused("issuer", 'claim "iss" of the assertion must be the client id')
    try:
        validate_assertion(claims, client.client_id, cloud.addresses.token_endpoint, now)
    except OAuthError as error:
        raise refused("expired" if error.expired else "assertion", error.description) from error
    check_identity(credential, common_name(leaf))
    return client


def _certificates(text: str) -> list[x509.Certificate]:
    """The PEM blocks of the text, at least one."""
    try:
        found = [x509.load_pem_x509_certificate(block.encode()) for block in _BLOCK.findall(text)]
    except ValueError as error:
        raise refused("malformed", "a certificate cannot be read") from error
    if not found:
        raise refused("malformed", "certificates must be PEM")
    return found


def _verified(assertion: str, leaf: x509.Certificate) -> dict[str, Any]:
    """The claims, if the certificate's key signed them with an algorithm that fits its size or curve."""
    public = leaf.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key: jwk.ECKey | jwk.RSAKey
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        key, algorithms = jwk.ECKey.import_key(pem), [_CURVES[public.curve.name]]
    elif isinstance(public, rsa.RSAPublicKey):
        key, algorithms = jwk.RSAKey.import_key(pem), ["RS256", "RS384", "RS512"]
    else:
        raise refused("malformed", "the certificate's key must be RSA or EC")
    try:
        return jwt.decode(assertion, key, algorithms=algorithms).claims
    except (JoseError, ValueError) as error:
        raise refused("signature", "the assertion does not verify with the certificate's key") from error
