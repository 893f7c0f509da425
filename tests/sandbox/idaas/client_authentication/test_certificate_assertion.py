"""PCA at the token endpoint: which certificates and assertions IDaaS refuses."""

import datetime as dt
import uuid

import pytest
from joserfc import jwk, jwt

from sandbox.certificates import CertifiedKey, issue, new_root
from sandbox.federation.keys import AGENT_CERTIFICATE_NAME, certified_key

TYPE = "urn:cloud:idaas:params:oauth:client-assertion-type:x509-jwt-bearer"


@pytest.fixture
def form(sandbox):
    """A form with the agent's certificate and an assertion by its key; `claims` override its own."""
    keys = sandbox.cloud.federation.keys

    def make(leaf: CertifiedKey | None = None, chain: str | None = None, *, key: str | None = None, **claims):
        leaf = leaf or certified_key(keys.agent_certificate, keys.agent_key)
        now = int(sandbox.clock.now)
        members = {
            "aud": sandbox.cloud.addresses.token_endpoint,
            "sub": "app_agent01",
            "iss": "app_agent01",
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 600,
        }
        signing_key = jwk.ECKey.import_key(key or leaf.key_pem)
        return {
            "client_secret": None,
            "application_federated_credential_name": "sandbox-private-ca",
            "client_assertion_type": TYPE,
            "client_assertion": jwt.encode({"alg": "ES256", "typ": "JWT"}, members | claims, signing_key),
            "client_x509": leaf.certificate_pem,
            "client_x509_chain": keys.agent_chain if chain is None else chain,
        }

    return make


@pytest.fixture
def now(sandbox) -> dt.datetime:
    return dt.datetime.fromtimestamp(sandbox.clock.now, dt.UTC)


def test_certificate_of_another_authority_is_refused(form, now, machine, reason) -> None:
    root = new_root("sandbox private root", now)
    leaf = issue(AGENT_CERTIFICATE_NAME, root, now)
    assert reason(machine(**form(leaf, root.certificate_pem))) == "chain"


def test_agent_certificate_is_no_authority(sandbox, form, now, machine, reason) -> None:
    keys = sandbox.cloud.federation.keys
    own = certified_key(keys.agent_certificate, keys.agent_key)
    chain = own.certificate_pem + keys.agent_chain
    assert reason(machine(**form(issue(AGENT_CERTIFICATE_NAME, own, now), chain))) == "chain"


def test_assertion_by_another_key_than_the_certificates_is_refused(form, machine, reason) -> None:
    foreign = jwk.ECKey.generate_key("P-256").as_pem(private=True).decode()
    assert reason(machine(**form(key=foreign))) == "signature"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"iss": "app_client01"}, "issuer"),
        ({"sub": "app_client01"}, "assertion"),
        ({"aud": "https://elsewhere.example/token"}, "assertion"),
        ({"exp": 1}, "expired"),
        ({"exp": 4102444800}, "assertion"),
    ],
)
def test_assertion_with_a_wrong_claim_is_refused(form, machine, reason, claims, expected) -> None:
    assert reason(machine(**form(**claims))) == expected
