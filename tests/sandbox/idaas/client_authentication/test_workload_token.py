"""OIDC at the token endpoint: which workload tokens IDaaS accepts."""

import pytest
from joserfc import jwk

from sandbox.federation.id_token import STS_AUDIENCE, signing_key, workload_token

TYPE = "urn:cloud:idaas:params:oauth:client-assertion-type:id-token-bearer"


def form(token: str) -> dict[str, str | None]:
    return {
        "client_secret": None,
        "application_federated_credential_name": "sandbox-kubernetes",
        "client_assertion_type": TYPE,
        "client_assertion": token,
    }


def test_expired_workload_token_is_refused(sandbox, machine, reason) -> None:
    token = sandbox.cloud.federation.id_token(lifetime=600)
    sandbox.clock.advance(600)
    assert reason(machine(**form(token))) == "expired"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"iss": "https://kubernetes.default.svc"}, "issuer"),
        ({"aud": ["https://kubernetes.default.svc"]}, "audience"),
        ({"aud": STS_AUDIENCE}, "audience"),
        ({"aud": None}, "audience"),
        ({"exp": None}, "malformed"),
        ({"nbf": 4102444800}, "clock"),
        ({"sub": "system:serviceaccount:agents:default"}, "unknown_identity"),
    ],
)
def test_workload_token_with_a_wrong_claim_is_refused(sandbox, machine, reason, claims, expected) -> None:
    assert reason(machine(**form(sandbox.cloud.federation.id_token(**claims)))) == expected


def test_workload_token_by_another_key_is_refused(sandbox, machine, reason) -> None:
    foreign = signing_key(jwk.ECKey.generate_key("P-256").as_pem(private=True).decode())
    token = workload_token(
        foreign,
        issuer=sandbox.cloud.federation.issuer,
        audience="urn:sandbox:idaas-federation",
        now=sandbox.clock.now,
        lifetime=600,
    )
    assert reason(machine(**form(token))) == "signature"
