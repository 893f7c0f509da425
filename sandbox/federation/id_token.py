"""The token that a cluster gives to a workload: a Kubernetes service-account token of the sandbox."""

import uuid
from typing import Any

from joserfc import jwk, jwt

NAMESPACE = "agents"
SERVICE_ACCOUNT = "idaas-agent"
SUBJECT = f"system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}"
IDAAS_AUDIENCE = "urn:sandbox:idaas-federation"
STS_AUDIENCE = "sts.aliyuncs.com"


def signing_key(pem: str) -> jwk.ECKey:
    """The issuer's key, named by its thumbprint (RFC 7638)."""
    key = jwk.ECKey.import_key(pem)
    parameters = {"kid": key.thumbprint()[:24], "alg": "ES256", "use": "sig"}
    return jwk.ECKey.import_key({**key.as_dict(private=True), **parameters})


def workload_token(
    key: jwk.ECKey, *, issuer: str, audience: str, now: float, lifetime: int, **claims: object
) -> str:
    """A token of the workload for one audience. `claims` override members; None takes one out."""
    members: dict[str, Any] = {
        "aud": [audience],
        "exp": int(now) + lifetime,
        "iat": int(now),
        "iss": issuer,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": {
            "namespace": NAMESPACE,
            "pod": {"name": "idaas-agent-0", "uid": "5d3a0000-0000-4000-8000-000000000001"},
            "serviceaccount": {"name": SERVICE_ACCOUNT, "uid": "5d3a0000-0000-4000-8000-000000000002"},
        },
        "nbf": int(now),
        "sub": SUBJECT,
    }
    members = {name: value for name, value in (members | claims).items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": key.kid}, members, key, algorithms=["ES256"])
