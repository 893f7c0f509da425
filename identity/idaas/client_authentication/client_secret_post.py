"""`CLIENT_SECRET_POST`: id and secret in the form (RFC 6749, section 2.3.1)."""

from dataclasses import dataclass

from identity.idaas.client_authentication.declaration import Declaration
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.idaas.client_authentication.secret_member import read_client_secret
from identity.secret import Secret


@dataclass(frozen=True, slots=True)
class ClientSecretPost(ClientAuthentication):
    """See the module."""

    client_id: str
    secret: Secret

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        """See `ClientAuthentication`."""
        form = {"client_id": self.client_id, "client_secret": self.secret.reveal()}
        return request.by_client(form, presented=self.secret)


def read_client_secret_post(declared: Declaration) -> ClientSecretPost:
    """From `clientSecretEnvVarName`."""
    return ClientSecretPost(declared.client_id, read_client_secret(declared))
