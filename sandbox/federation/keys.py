"""Keys and certificates of the issuers: made at the first start, then kept."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sandbox.certificates import RENEW_BEFORE, CertifiedKey, issue, new_root
from sandbox.generated_secrets import private_pem, write_private

FILE = "federation.json"
AGENT_CERTIFICATE_NAME = "agent.sandbox.example"


@dataclass(frozen=True, slots=True, repr=False)
class FederationKeys:
    """All PEM; keys are PKCS #8. The keys of roots and of the intermediate are discarded.

    `document_*` sign the instance identity documents, `id_token_key` the workload's tokens. `agent_*` are
    what a private authority gave the agent; `chain` is its intermediate.
    """

    document_root: str
    document_certificate: str
    document_key: str
    id_token_key: str
    agent_root: str
    agent_chain: str
    agent_certificate: str
    agent_key: str

    def certificates(self) -> Mapping[str, x509.Certificate]:
        """Those that are certificates, by name."""
        return {
            member.name: x509.load_pem_x509_certificate(getattr(self, member.name).encode())
            for member in fields(self)
            if not member.name.endswith("_key")
        }


def new_federation_keys(now: dt.datetime) -> FederationKeys:
    """Fresh keys for every issuer."""
    documents = new_root("sandbox ECS root", now)
    signer = issue("sandbox instance identity", documents, now)
    root = new_root("sandbox private root", now)
    intermediate = issue("sandbox private CA", root, now, authority=True)
    agent = issue(AGENT_CERTIFICATE_NAME, intermediate, now)
    return FederationKeys(
        document_root=documents.certificate_pem,
        document_certificate=signer.certificate_pem,
        document_key=signer.key_pem,
        id_token_key=private_pem(ec.generate_private_key(ec.SECP256R1())),
        agent_root=root.certificate_pem,
        agent_chain=intermediate.certificate_pem,
        agent_certificate=agent.certificate_pem,
        agent_key=agent.key_pem,
    )


def kept_federation_keys(folder: Path, *, now: dt.datetime | None = None) -> FederationKeys:
    """The keys kept in `folder`, mode 600; new ones at the first start and before a certificate expires."""
    path, now = folder / FILE, now or dt.datetime.now(dt.UTC)
    if path.exists():
        kept = FederationKeys(**json.loads(path.read_text()))
        if all(c.not_valid_after_utc - now > RENEW_BEFORE for c in kept.certificates().values()):
            return kept
    made = new_federation_keys(now)
    write_private(path, json.dumps(asdict(made), indent=2) + "\n")
    return made


def certified_key(certificate: str, key: str) -> CertifiedKey:
    """A certificate and its private key, from PEM."""
    private = load_pem_private_key(key.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)  # noqa: S101 - all keys of the sandbox's issuers are
    return CertifiedKey(x509.load_pem_x509_certificate(certificate.encode()), private)
