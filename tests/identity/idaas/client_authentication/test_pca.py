"""PCA: certificate, chain and key are checked at the start as far as the agent can."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from identity.errors import ConfigurationError
from identity.idaas.client_authentication.pca import Pca, check_certificates
from sandbox.authn_method import AuthnMethod

ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(365)


def certificate(
    name: str,
    key: Any,
    issuer: str,
    issuer_key: Any,
    *,
    start: datetime = NOW - YEAR,
    end: datetime = NOW + YEAR,
) -> str:
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .sign(issuer_key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "leaf", "other")}


def faults(leaf: str, chain: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    check_certificates(leaf, chain, NOW.timestamp(), lambda *fault: found.append(fault))
    return tuple(found)


def test_a_certificate_of_the_chain_has_no_fault_and_an_end(keys: dict[str, Any]) -> None:
    root = certificate("root", keys["root"], "root", keys["root"])
    leaf = certificate("leaf", keys["leaf"], "root", keys["root"], end=NOW + timedelta(30))
    assert faults(leaf, root) == ()
    read, not_after = check_certificates(leaf, root, NOW.timestamp(), pytest.fail)
    assert read is not None
    assert read.public_key() == keys["leaf"].public_key()
    assert not_after == NOW + timedelta(30)


def test_each_fault_of_the_certificates_is_named(keys: dict[str, Any]) -> None:
    root = certificate("root", keys["root"], "root", keys["root"])
    expired = certificate("leaf", keys["leaf"], "root", keys["root"], end=NOW - timedelta(1))
    early = certificate("leaf", keys["leaf"], "root", keys["root"], start=NOW + timedelta(1))
    foreign = certificate("leaf", keys["leaf"], "root", keys["other"])
    assert faults(expired, root) == (("clientX509Certificate", "has expired, on 2026-05-31"),)
    assert faults(early, root) == (
        ("clientX509Certificate", "is valid from 2026-06-02: is the clock right?"),
    )
    assert faults(foreign, root) == (
        ("x509CertChains", "has no certificate that issued clientX509Certificate"),
    )
    assert faults("-----BEGIN CERTIFICATE-----", root)[0][0] == "clientX509Certificate"
    assert faults(root + root, root) == (("clientX509Certificate", "must be one certificate in PEM form"),)
    assert faults(root, "-----BEGIN x")[0][0] == "x509CertChains"


async def test_a_key_of_another_certificate_is_a_fault(agent_of: Any, sandbox: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        agent_of.settings(AuthnMethod.PCA, ENV_PRIVATE_KEY=sandbox.cloud.secrets.agent_private_key)
    (fault,) = caught.value.faults
    assert fault.endswith("names a variable whose value is not the private key of clientX509Certificate")


async def test_all_missing_members_are_named_at_once(agent_of: Any) -> None:
    members = ["applicationFederatedCredentialName", "clientX509Certificate", "x509CertChains"]
    with pytest.raises(ConfigurationError) as caught:
        agent_of.settings(AuthnMethod.PCA, authn=dict.fromkeys(members), ENV_PRIVATE_KEY="")
    assert all(any(f".{member}" in fault for fault in caught.value.faults) for member in members)
    assert any("privateKeyEnvVarName" in fault for fault in caught.value.faults)


async def test_certificate_and_key_do_not_print(agent_of: Any) -> None:
    authentication = agent_of.settings(AuthnMethod.PCA).idaas.client_authentication
    assert isinstance(authentication, Pca)
    assert "BEGIN" not in repr(authentication)
