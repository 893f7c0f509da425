"""`OIDC`: a token of another issuer, such as the service account token that Kubernetes puts into a file."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from identity.idaas.client_authentication.declaration import (
    Declaration,
    check_environment,
    read_credential_name,
)
from identity.idaas.client_authentication.method import (
    ClientAuthentication,
    TokenRequest,
    federated_form,
    unavailable,
)
from identity.idaas.token_response import unverified_claims
from identity.secrets.secret import Secret
from identity.secrets.secret_file import read_token_file

KUBERNETES_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_LEAST_LIFETIME = 60.0


@dataclass(frozen=True, slots=True)
class Oidc(ClientAuthentication):
    """See the module. The file is read for each request, because its owner replaces it.

    Unlike the vendor's SDK, it sends the token without a line break at its end, and none that expires within
    a minute. A token that is no JWT is sent as it is.
    """

    client_id: str
    credential_name: str
    path: Path
    clock: Callable[[], float] = time.time

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        token = await self._current()
        form = federated_form(self.client_id, self.credential_name, "id-token-bearer", token.reveal())
        return request.by_client(form, presented=token)

    async def renew(self, refused: TokenRequest) -> bool:
        """Whether the file has changed."""
        return await self._current() != refused.presented

    async def inspect(self) -> str:
        """Names the token's issuer and audience, which it does not verify."""
        claims = unverified_claims(await self._current())
        issuer = str(claims.get("iss", "unknown"))
        audience = claims.get("aud", "unknown")
        named = ", ".join(map(str, audience)) if isinstance(audience, list) else str(audience)
        return (
            f'the token in file "{self.path}", of issuer "{issuer[:200]}" for audience "{named[:200]}"; '
            f'federated credential "{self.credential_name}"'
        )

    async def _current(self) -> Secret:
        about = f'file "{self.path}"'
        try:
            token = await asyncio.to_thread(read_token_file, self.path)
        except ValueError as error:
            raise unavailable(f"the token file {error}", about) from None
        expires_at = unverified_claims(token).get("exp")
        if isinstance(expires_at, int | float) and expires_at - self.clock() < _LEAST_LIFETIME:
            raise unavailable(
                "the token file contains a token that has expired, or does within a minute", about
            )
        return token


def read_oidc(declared: Declaration) -> Oidc | None:
    """Reads `applicationFederatedCredentialName`, `clientDeployEnvironment` and the path of the token.

    The path is `oidcTokenFilePath`, else in the variable that `oidcTokenFilePathEnvVarName` names, else that
    of Kubernetes.
    """
    authn = declared.authn
    check_environment(declared, "KUBERNETES")
    name = read_credential_name(declared)
    member = "oidcTokenFilePath"
    path = authn.text(member)
    if not path and (variable := authn.text("oidcTokenFilePathEnvVarName")):
        member = "oidcTokenFilePathEnvVarName"
        path = declared.environment.get(variable, "").strip()
    chosen = Path(path) if path else KUBERNETES_TOKEN
    try:
        read_token_file(chosen)
    except ValueError as error:
        authn.fault(member, f'leads to file "{chosen}", which {error}')
        return None
    return Oidc(declared.client_id, name, chosen, declared.clock)
