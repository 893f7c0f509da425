"""Client assertions (RFC 7523, section 2.2), with the claims of the vendor's SDK."""

import uuid
from typing import Final

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME: Final = 600
"""Seconds, as in the vendor's SDK."""


def assertion_claims(client_id: str, token_endpoint: str, now: float) -> dict[str, str | int]:
    """The claims of one assertion, with a `jti` of its own."""
    return {
        "aud": token_endpoint,
        "sub": client_id,
        "iss": client_id,
        "jti": str(uuid.uuid4()),
        "iat": int(now),
        "exp": int(now) + ASSERTION_LIFETIME,
    }


def assertion_form(client_id: str, assertion: str) -> dict[str, str]:
    """The parameters that present a JWT assertion."""
    return {"client_id": client_id, "client_assertion_type": JWT_BEARER, "client_assertion": assertion}
