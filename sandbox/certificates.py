"""Private certificate authorities, and the sandbox's own: the certificate of `localhost`, trust bundle."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.generated_secrets import private_pem, write_private

LIFETIME = dt.timedelta(days=397)
RENEW_BEFORE = dt.timedelta(days=30)
_LOOPBACK = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)


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


def issue(
    name: str,
    by: CertifiedKey,
    now: dt.datetime,
    *,
    authority: bool = False,
    server: bool = False,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> CertifiedKey:
    """A key, new unless given, that `by` certifies from yesterday on, for `LIFETIME`.

    It signs data, or with `authority` certificates; `server` is a TLS server on this machine.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    issuer = common_name(by.certificate)
    return CertifiedKey(_signed(name, key, issuer, by.key, now, authority=authority, server=server), key)


def common_name(certificate: x509.Certificate) -> str:
    """The CN of the subject, empty if there is none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


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
    authority = new_root("idaas-agent sandbox CA", now)
    leaf = issue("localhost", authority, now, server=True)
    former = now - LIFETIME - dt.timedelta(days=1)
    expired = issue("localhost", authority, former, server=True, key=leaf.key)
    write_private(paths.key, leaf.key_pem)
    write_private(paths.certificate, leaf.certificate_pem)
    write_private(paths.expired, expired.certificate_pem)
    write_private(paths.authority, authority.certificate_pem)


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    *,
    authority: bool,
    server: bool = False,
) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(_key_usage(authority=authority), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(issuer_identifier, critical=False)
    )
    if server:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(purpose, critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(_LOOPBACK), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
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
