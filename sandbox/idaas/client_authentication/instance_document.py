"""PKCS7: an instance identity document of ECS for this IDaaS instance, as signed-data (RFC 5652)."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from sandbox.addresses import INSTANCE
from sandbox.idaas.client_authentication.federated_credential import (
    check_identity,
    named_credential,
    refused,
    verify_chain,
)
from sandbox.idaas.client_authentication.own_secret import CLOCK_SKEW
from sandbox.oauth_error import required
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application


def by_instance_document(cloud: Cloud, parameters: dict[str, str]) -> Application:
    """The client whose federated credential allows the document's machine.

    Checked: signature, chain to ECS's root, `aud` and age of the audience, instance id. A document may be
    used again until it is too old.
    """
    client, credential = named_credential(cloud.directory, parameters, "pkcs7")
    signed = read_signed_data(required(parameters, "client_assertion"))
    now = cloud.clock()
    verify_chain(signed.signer, signed.others, cloud.federation.document_roots, now=now)
    document = _object(signed.content, "the document")
    audience = _object(document.get("audience"), "the audience of the document")
    if audience.get("aud") != INSTANCE:
        raise refused("audience", f'"aud" in the audience of the document must be "{INSTANCE}"')
    signed_at = audience.get("signingTime")
    if isinstance(signed_at, bool) or not isinstance(signed_at, int | float):
        raise refused(
            "malformed", '"signingTime" in the audience of the document must be a number of seconds'
        )
    if signed_at > now + CLOCK_SKEW:
        raise refused("clock", "the signing time of the document is in the future")
    if signed_at + cloud.settings.instance_document_lifetime <= now:
        raise refused("expired", "the document is too old")
    check_identity(credential, str(document.get("instance-id")))
    return client


def _object(text: object, what: str) -> dict[str, Any]:
    """The JSON object in `text`; the audience's spacing and order differ from SDK to SDK."""
    try:
        value = json.loads(text) if isinstance(text, str | bytes) else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise refused("malformed", f"{what} must be a JSON object")
    return value


SIGNED_DATA = "1.2.840.113549.1.7.2"
HASHES = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _Content:
    type: x509.ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class _IssuerAndSerial:
    issuer: asn1.TLV
    serial: int


@asn1.sequence
class _Signer:
    version: int
    certificate: _IssuerAndSerial
    digest: _Algorithm
    algorithm: _Algorithm
    signature: bytes


@asn1.sequence
class _SignedData:
    version: int
    digests: asn1.SetOf[_Algorithm]
    content: _Content
    certificates: Annotated[asn1.SetOf[x509.Certificate] | None, asn1.Implicit(0)]
    signers: asn1.SetOf[_Signer]


@asn1.sequence
class _ContentInfo:
    type: x509.ObjectIdentifier
    content: Annotated[_SignedData, asn1.Explicit(0)]


@dataclass(frozen=True, slots=True)
class SignedContent:
    """Content whose signature fits `signer`, which is not known to be trusted yet."""

    content: bytes
    signer: x509.Certificate
    others: tuple[x509.Certificate, ...]


def read_signed_data(text: str) -> SignedContent:
    """The content of base64 text, white space ignored, if its one signature verifies.

    Signed attributes are not supported: ECS's documents are not known to have any. Raises OAuthError.
    """
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
        info = asn1.decode_der(_ContentInfo, der)
    except (binascii.Error, ValueError) as error:
        raise refused("malformed", "the document is no signed-data in base64") from error
    data = info.content
    signers = data.signers.as_list()
    if info.type.dotted_string != SIGNED_DATA or data.content.content is None or len(signers) != 1:
        raise refused("malformed", "the document must be signed-data with content and one signer")
    certificates = data.certificates.as_list() if data.certificates else []
    named = signers[0].certificate
    found = [
        c
        for c in certificates
        if c.serial_number == named.serial and c.issuer.public_bytes().endswith(bytes(named.issuer.data))
    ]
    digest = HASHES.get(signers[0].digest.oid.dotted_string)
    if len(found) != 1 or digest is None:
        raise refused("malformed", "the document must contain its signer's certificate and use SHA-2")
    _verify(found[0], signers[0].signature, data.content.content, digest)
    others = tuple(c for c in certificates if c is not found[0])
    return SignedContent(data.content.content, found[0], others)


def _verify(
    certificate: x509.Certificate, signature: bytes, content: bytes, digest: hashes.HashAlgorithm
) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, padding.PKCS1v15(), digest)
        else:
            raise refused("malformed", "the document's signer must have an RSA or EC key")
    except InvalidSignature as error:
        raise refused("signature", "the signature of the document is wrong") from error
