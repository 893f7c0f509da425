"""An issuer of credentials: secrets of a server that speaks the HTTP API of HashiCorp Vault."""

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from idaas_agent import Caller, Secret
from idaas_agent.issuers import IssuedCredential, Issuer, IssueRequest, refused, unreachable

_NAME = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"


class VaultSettings(BaseModel):
    """`[issuers.vault.settings]`: where the vault is, and how the agent logs in there."""

    model_config = ConfigDict(frozen=True)

    address: Annotated[
        str, Field(pattern=r"^(https://[^@/?#]+|http://(127\.0\.0\.1|localhost)(:\d+)?)(/[^@?#]*)?$")
    ]
    method: Literal["approle", "jwt"]
    mount: Annotated[str, Field(pattern=_NAME)] | None = None
    """Where the method is mounted; by default under its own name."""
    role: str
    """With `approle` the RoleID; with `jwt` the name of the role that accepts users' tokens."""
    secret_id_file: Path | None = None
    """With `approle`: the file of the SecretID, which is read at each login."""
    namespace: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> "VaultSettings":
        if (self.method == "approle") is (self.secret_id_file is None):
            raise ValueError("approle needs secret_id_file, and jwt has none")
        return self


class VaultSecret(BaseModel):
    """`settings` of a service: one field of a secret, `kv/data/ledger` in a KV engine of version 2."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, Field(pattern=_NAME)]
    field: str


class Vault(Issuer[VaultSecret]):
    """Logs in with AppRole or with the user's token, and reads secrets with what the vault gives for it."""

    Settings = VaultSettings
    Wanted = VaultSecret

    async def login(self, caller: Caller | None, user_token: Secret | None) -> IssuedCredential:
        settings: VaultSettings = self.settings
        if settings.secret_id_file is not None:
            if caller is not None:
                raise refused("the method approle is the agent's own login: it needs Machine identity")
            secret_id = (await asyncio.to_thread(settings.secret_id_file.read_text, "utf-8")).strip()
            body = {"role_id": settings.role, "secret_id": secret_id}
        elif user_token is not None:
            body = {"role": settings.role, "jwt": user_token.reveal()}
        else:
            raise refused("the method jwt needs Human identity, and user_token = true")
        begun_at = self.clock()
        path = f"auth/{settings.mount or settings.method}/login"
        auth = (await self._sent("POST", path, json=body)).get("auth") or {}
        if not isinstance(auth.get("client_token"), str):
            raise unreachable("the response to the login has no client_token")
        seconds = auth.get("lease_duration") or 0
        return IssuedCredential(Secret(auth["client_token"]), begun_at + seconds if seconds else None)

    async def issue(self, request: IssueRequest[VaultSecret]) -> IssuedCredential:
        begun_at = self.clock()
        response = await self._sent("GET", request.wanted.path, token=request.login)
        data = response.get("data") or {}
        if isinstance(data.get("data"), dict) and "metadata" in data:  # of KV version 2
            data = data["data"]
        value = data.get(request.wanted.field)
        if not isinstance(value, str):
            raise refused(f'the secret has no text "{request.wanted.field}"')
        seconds = response.get("lease_duration") or 0  # a secret of KV has no lease
        return IssuedCredential(Secret(value), begun_at + seconds if seconds else None)

    async def check(self) -> str:
        health = await self.http.get(f"{self.settings.address.rstrip('/')}/v1/sys/health")
        if health.status_code not in (200, 429, 473):  # active, standby, performance standby
            raise unreachable(f"sys/health responded with status {health.status_code}: sealed, or not set up")
        return "the vault is unsealed"

    async def _sent(
        self, method: str, path: str, *, token: Secret | None = None, json: object = None
    ) -> dict:
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token.reveal()
        if self.settings.namespace:
            headers["X-Vault-Namespace"] = self.settings.namespace
        url = f"{self.settings.address.rstrip('/')}/v1/{path}"
        try:
            response = await self.http.request(method, url, headers=headers, json=json)
        except httpx.TransportError as error:
            raise unreachable(f"{path}: {type(error).__name__}") from None
        status = response.status_code
        # The token has ended, or may not read this: the vault says no more.
        if status == 403 and token is not None:
            raise refused(f"{path}: permission denied", login=True)
        if status in (400, 403, 404):
            raise refused(f"{path}: status {status}")
        if status != 200:
            wait = response.headers.get("Retry-After", "")
            raise unreachable(f"{path}: status {status}", retry_after=float(wait) if wait.isdigit() else None)
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise unreachable(f"{path}: the response is no JSON object")
        return body
