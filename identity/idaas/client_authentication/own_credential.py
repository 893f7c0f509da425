"""Methods with a secret or a key of the agent's own, which a variable or a file has.

A secret is sent (RFC 6749, section 2.3.1), or it or the key signs an assertion (RFC 7523, section 2.2).
"""

import base64
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import jwt

from identity.idaas.client_authentication.declaration import Declaration, PrivateKey, assertion_algorithm
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.secrets.secret import Secret
from identity.secrets.secret_file import SecretSource

_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFETIME: Final = 600
"""Seconds for which an assertion is valid, as in the vendor's SDK."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OwnCredential(ClientAuthentication, Generic[T]):
    """Presents `credential`. Methods that sign an assertion name `token_endpoint` in it, and its time."""

    client_id: str
    credential: SecretSource[T] = field(repr=False)
    token_endpoint: str = ""
    clock: Callable[[], float] = time.time

    async def renew(self, refused: TokenRequest) -> bool:
        """The other secret or key of the file, or its new content."""
        return await self.credential.renew(refused.presented)

    def _asserted(self, request: TokenRequest, key: Secret | PrivateKey, algorithm: str) -> TokenRequest:
        form = {"client_id": self.client_id, "client_assertion_type": _JWT_BEARER}
        return request.by_client({**form, "client_assertion": self._assertion(key, algorithm)}, presented=key)

    def _assertion(self, key: Secret | PrivateKey, algorithm: str) -> str:
        """One assertion, with a `jti` of its own."""
        now = int(self.clock())
        claims = {
            "aud": self.token_endpoint,
            "sub": self.client_id,
            "iss": self.client_id,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + _LIFETIME,
        }
        signed_with = key.reveal() if isinstance(key, Secret) else key
        return jwt.encode(claims, signed_with, algorithm=algorithm)


class ClientSecretPost(OwnCredential[Secret]):
    """`CLIENT_SECRET_POST`: id and secret in the form."""

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        secret = await self.credential.current()
        form = {"client_id": self.client_id, "client_secret": secret.reveal()}
        return request.by_client(form, presented=secret)

    async def inspect(self) -> str:
        return "the client secret, in the body of each token request"


class ClientSecretBasic(OwnCredential[Secret]):
    """`CLIENT_SECRET_BASIC`: HTTP Basic, and the id in the form too.

    Like the vendor's SDK, it does not form-encode id and secret before joining them (RFC 6749, section 2.3.1
    would).
    """

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        secret = await self.credential.current()
        basic = base64.b64encode(f"{self.client_id}:{secret.reveal()}".encode()).decode("ascii")
        headers = {**request.headers, "Authorization": f"Basic {basic}"}
        return request.by_client({"client_id": self.client_id}, headers=headers, presented=secret)

    async def inspect(self) -> str:
        return "the client secret, in the Authorization header of each token request"


class ClientSecretJwt(OwnCredential[Secret]):
    """`CLIENT_SECRET_JWT`: an assertion signed with the secret, HS256."""

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        return self._asserted(request, await self.credential.current(), "HS256")

    async def inspect(self) -> str:
        return "an assertion signed with the client secret; the secret itself is not sent"


class PrivateKeyJwt(OwnCredential[PrivateKey]):
    """`PRIVATE_KEY_JWT`: an assertion signed with the private key."""

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        key = await self.credential.current()
        return self._asserted(request, key, assertion_algorithm(key))

    async def inspect(self) -> str:
        algorithm = assertion_algorithm(await self.credential.current())
        return f"an assertion signed with the private key ({algorithm}); the key itself is not sent"


def read_own(
    kind: type[OwnCredential[T]], read: Callable[[Declaration], SecretSource[T] | None], declared: Declaration
) -> ClientAuthentication | None:
    """Reads `kind`, with the secret or key that `read` finds in a variable or in a file of `sources`."""
    credential = read(declared)
    if credential is None:
        return None
    return kind(declared.client_id, credential, declared.token_endpoint, declared.clock)
