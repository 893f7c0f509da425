"""`CLIENT_SECRET_BASIC`: HTTP Basic, and the id in the form too.

Like the vendor's SDK, it does not form-encode id and secret before joining them (RFC 6749, section 2.3.1
would).
"""

import base64
from dataclasses import dataclass

from identity.idaas.client_authentication.declaration import Declaration
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.idaas.client_authentication.secret_member import read_client_secret
from identity.secret import Secret


@dataclass(frozen=True, slots=True)
class ClientSecretBasic(ClientAuthentication):
    """See the module."""

    client_id: str
    secret: Secret

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        """See `ClientAuthentication`."""
        basic = base64.b64encode(f"{self.client_id}:{self.secret.reveal()}".encode()).decode("ascii")
        headers = {**request.headers, "Authorization": f"Basic {basic}"}
        return request.by_client({"client_id": self.client_id}, headers=headers, presented=self.secret)


def read_client_secret_basic(declared: Declaration) -> ClientSecretBasic:
    """From `clientSecretEnvVarName`."""
    return ClientSecretBasic(declared.client_id, read_client_secret(declared))
