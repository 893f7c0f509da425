"""The sandbox's private certificate authority, the certificate of `localhost`, and the trust bundle."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.generated_secrets import write_private

LIFETIME = dt.timedelta(days=397)
RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths. `bundle` is the public roots plus the sandbox's authority: the value of `SSL_CERT_FILE`.

    `expired` is for the same key as `certificate`, by the same authority, and was good until yesterday.
    """

    authority: Path
    certificate: Path
    expired: Path
    key: Path
    bundle: Path


def kept_certificates(folder: Path, *, now: dt.datetime | None = None) -> Certificates:
    """The certificates in `folder`; made at the first start and renewed 30 days before they expire.

    The authority's private key is discarded after use, so that no further certificate can be issued with it.
    """
    paths = Certificates(
        authority=folder / "ca.pem",
        certificate=folder / "localhost.pem",
        expired=folder / "localhost-expired.pem",
        key=folder / "localhost-key.pem",
        bundle=folder / "ca-bundle.pem",
    )
    now = now or dt.datetime.now(dt.UTC)
    if not _good(paths, now):
        _make(paths, now)
    bundle = Path(certifi.where()).read_text() + "\n# idaas-agent sandbox\n" + paths.authority.read_text()
    if not paths.bundle.exists() or paths.bundle.read_text() != bundle:
        write_private(paths.bundle, bundle)
    return paths


def _good(paths: Certificates, now: dt.datetime) -> bool:
    if not all(path.exists() for path in (paths.authority, paths.certificate, paths.expired, paths.key)):
        return False
    leaf = x509.load_pem_x509_certificate(paths.certificate.read_bytes())
    return leaf.not_valid_after_utc - now > RENEW_BEFORE


def _make(paths: Certificates, now: dt.datetime) -> None:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idaas-agent sandbox CA")])
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        certificate_builder(authority_name, authority_key.public_key(), now)
        .issuer_name(authority_name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .add_extension(authority_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])

    def signed(builder: x509.CertificateBuilder) -> str:
        leaf = (
            builder.issuer_name(authority_name)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        return leaf.public_bytes(serialization.Encoding.PEM).decode()

    key = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(paths.key, key.decode())
    write_private(paths.certificate, signed(certificate_builder(leaf_name, leaf_key.public_key(), now)))
    write_private(
        paths.expired,
        signed(certificate_builder(leaf_name, leaf_key.public_key(), now - LIFETIME - dt.timedelta(days=1))),
    )
    write_private(paths.authority, authority.public_bytes(serialization.Encoding.PEM).decode())


def certificate_builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime
) -> x509.CertificateBuilder:
    """A certificate for `key` from yesterday on, for `LIFETIME`; issuer and extensions are still missing."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """An authority signs certificates and revocation lists, everything else signs data."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
