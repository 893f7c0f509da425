"""`CLIENT_SECRET_JWT`: an assertion signed with the secret, HS256 (RFC 7523, section 2.2)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt

from identity.idaas.client_authentication.assertion import assertion_claims, assertion_form
from identity.idaas.client_authentication.declaration import Declaration
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.idaas.client_authentication.secret_member import read_client_secret
from identity.secret import Secret


@dataclass(frozen=True, slots=True)
class ClientSecretJwt(ClientAuthentication):
    """See the module."""

    client_id: str
    secret: Secret
    token_endpoint: str
    clock: Callable[[], float] = time.time

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        """See `ClientAuthentication`."""
        claims = assertion_claims(self.client_id, self.token_endpoint, self.clock())
        assertion = jwt.encode(claims, self.secret.reveal(), algorithm="HS256")
        return request.by_client(assertion_form(self.client_id, assertion), presented=self.secret)


def read_client_secret_jwt(declared: Declaration) -> ClientSecretJwt:
    """From `clientSecretEnvVarName`."""
    secret = read_client_secret(declared)
    return ClientSecretJwt(declared.client_id, secret, declared.token_endpoint, declared.clock)
