"""The role credential at a URI of the platform, `ALIBABA_CLOUD_CREDENTIALS_URI`."""

from dataclasses import dataclass, field

from identity.idaas.client_authentication.role.role_credential import (
    RoleCredential,
    read_role_credential,
    role_unavailable,
)
from identity.strict_json import read_object
from identity.transport.bounded_response import TransportFailure, send
from identity.transport.client import ClientFactory

_MAX_BYTES = 65_536
_DEADLINE = 5.0


@dataclass(frozen=True, slots=True)
class CredentialsUri:
    """Fetches from `uri`, which may contain a secret: no error names it."""

    uri: str = field(repr=False)
    http: ClientFactory

    async def __call__(self) -> RoleCredential:
        """One request, within five seconds. Raises `UnreachableError`."""
        async with self.http() as http:
            request = http.build_request("GET", self.uri)
            response = await send(http, request, max_bytes=_MAX_BYTES, deadline=_DEADLINE)
        if isinstance(response, TransportFailure):
            detail = f"credentials URI: {response.reason}"
            raise role_unavailable(detail)
        if response.status != 200:
            detail = f"credentials URI: expected status 200, found status {response.status}"
            raise role_unavailable(detail)
        try:
            return read_role_credential(read_object(response.body), provider="default/credential_uri")
        except ValueError as error:
            detail = f"credentials URI: the response {error}"
            raise role_unavailable(detail) from None
