"""`CLIENT_SECRET_JWT`: an assertion signed with the secret, HS256 (RFC 7523, section 2.2)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt

from identity.idaas.client_authentication.declaration import Declaration, read_client_secret
from identity.idaas.client_authentication.method import (
    ClientAuthentication,
    TokenRequest,
    assertion_claims,
    assertion_form,
)
from identity.secrets.secret import Secret
from identity.secrets.secret_source import SecretSource


@dataclass(frozen=True, slots=True)
class ClientSecretJwt(ClientAuthentication):
    """See the module."""

    client_id: str
    secret: SecretSource[Secret]
    token_endpoint: str
    clock: Callable[[], float] = time.time

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        secret = await self.secret.current()
        claims = assertion_claims(self.client_id, self.token_endpoint, self.clock())
        assertion = jwt.encode(claims, secret.reveal(), algorithm="HS256")
        return request.by_client(assertion_form(self.client_id, assertion), presented=secret)

    async def renew(self, refused: TokenRequest) -> bool:
        """The other secret of the file, or its new content."""
        return await self.secret.renew(refused.presented)

    async def inspect(self) -> str:
        return "an assertion signed with the client secret; the secret itself is not sent"


def read_client_secret_jwt(declared: Declaration) -> ClientSecretJwt | None:
    """Reads it from `clientSecretEnvVarName`, or the file of `sources`."""
    secret = read_client_secret(declared)
    if secret is None:
        return None
    return ClientSecretJwt(declared.client_id, secret, declared.token_endpoint, declared.clock)
