"""How the agent proves to the token endpoint who it is (RFC 6749, section 2.3; RFC 7523, section 2.2).

One class for each method of the SDK configuration's `authnMethod` that is supported. What they add to a
request is what the vendor's SDK adds, also where it departs from the RFCs.
"""

import base64
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import jwt

from identity.idaas.private_key import PrivateKey, assertion_algorithm
from identity.secret import Secret

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME = 600  # seconds, as in the vendor's SDK


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What authentication adds to one token request. In clear: for building a request, not for keeping."""

    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)


class ClientAuthentication(Protocol):
    """A method of client authentication."""

    def credentials(self) -> ClientCredentials:
        """Fresh credentials for one request; an assertion is made anew, with a `jti` of its own."""
        ...


@dataclass(frozen=True, slots=True)
class ClientSecretPost:
    """`CLIENT_SECRET_POST`: id and secret in the form."""

    client_id: str
    secret: Secret

    def credentials(self) -> ClientCredentials:
        """See `ClientAuthentication`."""
        return ClientCredentials({"client_id": self.client_id, "client_secret": self.secret.reveal()})


@dataclass(frozen=True, slots=True)
class ClientSecretBasic:
    """`CLIENT_SECRET_BASIC`: HTTP Basic, and the id in the form too.

    Like the SDK, it does not form-encode id and secret before joining them (RFC 6749, section 2.3.1 would).
    """

    client_id: str
    secret: Secret

    def credentials(self) -> ClientCredentials:
        """See `ClientAuthentication`."""
        pair = f"{self.client_id}:{self.secret.reveal()}"
        basic = base64.b64encode(pair.encode()).decode("ascii")
        return ClientCredentials({"client_id": self.client_id}, {"Authorization": f"Basic {basic}"})


@dataclass(frozen=True, slots=True)
class ClientSecretJwt:
    """`CLIENT_SECRET_JWT`: an assertion signed with the secret (HS256)."""

    client_id: str
    secret: Secret
    token_endpoint: str
    clock: Callable[[], float] = time.time

    def credentials(self) -> ClientCredentials:
        """See `ClientAuthentication`."""
        claims = _claims(self.client_id, self.token_endpoint, self.clock())
        return _asserted(self.client_id, jwt.encode(claims, self.secret.reveal(), algorithm="HS256"))


@dataclass(frozen=True, slots=True)
class PrivateKeyJwt:
    """`PRIVATE_KEY_JWT`: an assertion signed with the agent's private key."""

    client_id: str
    key: PrivateKey = field(repr=False)
    token_endpoint: str
    clock: Callable[[], float] = time.time

    def credentials(self) -> ClientCredentials:
        """See `ClientAuthentication`."""
        claims = _claims(self.client_id, self.token_endpoint, self.clock())
        return _asserted(
            self.client_id, jwt.encode(claims, self.key, algorithm=assertion_algorithm(self.key))
        )


def _claims(client_id: str, token_endpoint: str, now: float) -> dict[str, str | int]:
    return {
        "aud": token_endpoint,
        "sub": client_id,
        "iss": client_id,
        "jti": str(uuid.uuid4()),
        "iat": int(now),
        "exp": int(now) + ASSERTION_LIFETIME,
    }


def _asserted(client_id: str, assertion: str) -> ClientCredentials:
    return ClientCredentials(
        {"client_id": client_id, "client_assertion_type": JWT_BEARER, "client_assertion": assertion}
    )
