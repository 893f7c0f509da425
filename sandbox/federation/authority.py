"""A private certificate authority: P-256 keys, made in a millisecond."""

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.certificates import certificate_builder, key_usage


@dataclass(frozen=True, slots=True, repr=False)
class CertifiedKey:
    """A private key and the certificate of its public key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """PKCS #8."""
        return private_pem(self.key)


def new_root(name: str, now: dt.datetime) -> CertifiedKey:
    """A self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    return CertifiedKey(_signed(name, key, name, key, now, authority=True), key)


def issue(name: str, by: CertifiedKey, now: dt.datetime, *, authority: bool = False) -> CertifiedKey:
    """A new key that `by` certifies: a signer of data, or with `authority` a signer of certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = common_name(by.certificate)
    return CertifiedKey(_signed(name, key, issuer, by.key, now, authority=authority), key)


def common_name(certificate: x509.Certificate) -> str:
    """The CN of the subject, empty if there is none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The key as PEM (PKCS #8)."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    *,
    authority: bool,
) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        certificate_builder(_name(name), key.public_key(), now)
        .issuer_name(_name(issuer))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(key_usage(authority=authority), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(issuer_identifier, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
