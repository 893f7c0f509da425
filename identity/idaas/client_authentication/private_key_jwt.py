"""`PRIVATE_KEY_JWT`: an assertion signed with the agent's private key (RFC 7523, section 2.2)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import jwt

from identity.idaas.client_authentication.declaration import (
    Declaration,
    PrivateKey,
    assertion_algorithm,
    read_client_key,
)
from identity.idaas.client_authentication.method import (
    ClientAuthentication,
    TokenRequest,
    assertion_claims,
    assertion_form,
)
from identity.secrets.secret_source import SecretSource


@dataclass(frozen=True, slots=True)
class PrivateKeyJwt(ClientAuthentication):
    """See the module."""

    client_id: str
    key: SecretSource[PrivateKey] = field(repr=False)
    token_endpoint: str
    clock: Callable[[], float] = time.time

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        key = await self.key.current()
        claims = assertion_claims(self.client_id, self.token_endpoint, self.clock())
        assertion = jwt.encode(claims, key, algorithm=assertion_algorithm(key))
        return request.by_client(assertion_form(self.client_id, assertion), presented=key)

    async def renew(self, refused: TokenRequest) -> bool:
        """The other key of the file, or its new content."""
        return await self.key.renew(refused.presented)

    async def inspect(self) -> str:
        algorithm = assertion_algorithm(await self.key.current())
        return f"an assertion signed with the private key ({algorithm}); the key itself is not sent"


def read_private_key_jwt(declared: Declaration) -> PrivateKeyJwt | None:
    """Reads it from `privateKeyEnvVarName`, or the file of `sources`."""
    key = read_client_key(declared)
    if key is None:
        return None
    return PrivateKeyJwt(declared.client_id, key, declared.token_endpoint, declared.clock)
