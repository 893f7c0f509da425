"""PKCS #7 signed-data (RFC 2315, section 9; RFC 5652, section 5), as ECS signs documents."""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from sandbox.idaas.client_authentication.federated_credential import refused

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
