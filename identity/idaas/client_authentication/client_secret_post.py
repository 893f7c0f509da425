"""`CLIENT_SECRET_POST`: id and secret in the form (RFC 6749, section 2.3.1)."""

from dataclasses import dataclass

from identity.idaas.client_authentication.declaration import Declaration, read_client_secret
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.secrets.secret import Secret
from identity.secrets.secret_source import SecretSource


@dataclass(frozen=True, slots=True)
class ClientSecretPost(ClientAuthentication):
    """See the module."""

    client_id: str
    secret: SecretSource[Secret]

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        secret = await self.secret.current()
        form = {"client_id": self.client_id, "client_secret": secret.reveal()}
        return request.by_client(form, presented=secret)

    async def renew(self, refused: TokenRequest) -> bool:
        """The other secret of the file, or its new content."""
        return await self.secret.renew(refused.presented)

    async def inspect(self) -> str:
        return "the client secret, in the body of each token request"


def read_client_secret_post(declared: Declaration) -> ClientSecretPost | None:
    """Reads it from `clientSecretEnvVarName`, or the file of `sources`."""
    secret = read_client_secret(declared)
    if secret is None:
        return None
    return ClientSecretPost(declared.client_id, secret)
