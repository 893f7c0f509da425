"""`CLIENT_SECRET_BASIC`: HTTP Basic, and the id in the form too.

Like the vendor's SDK, it does not form-encode id and secret before joining them (RFC 6749, section 2.3.1
would).
"""

import base64
from dataclasses import dataclass

from identity.idaas.client_authentication.declaration import Declaration, read_client_secret
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.secrets.secret import Secret
from identity.secrets.secret_source import SecretSource


@dataclass(frozen=True, slots=True)
class ClientSecretBasic(ClientAuthentication):
    """See the module."""

    client_id: str
    secret: SecretSource[Secret]

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        secret = await self.secret.current()
        basic = base64.b64encode(f"{self.client_id}:{secret.reveal()}".encode()).decode("ascii")
        headers = {**request.headers, "Authorization": f"Basic {basic}"}
        return request.by_client({"client_id": self.client_id}, headers=headers, presented=secret)

    async def renew(self, refused: TokenRequest) -> bool:
        """The other secret of the file, or its new content."""
        return await self.secret.renew(refused.presented)

    async def inspect(self) -> str:
        return "the client secret, in the Authorization header of each token request"


def read_client_secret_basic(declared: Declaration) -> ClientSecretBasic | None:
    """Reads it from `clientSecretEnvVarName`, or the file of `sources`."""
    secret = read_client_secret(declared)
    if secret is None:
        return None
    return ClientSecretBasic(declared.client_id, secret)
