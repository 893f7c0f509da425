"""Where the platform has the credential of the execution role: at a URI, on ECS, or at STS for a token."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from identity.idaas.client_authentication.metadata_service import MetadataService, fetched
from identity.idaas.client_authentication.method import unavailable
from identity.idaas.client_authentication.role_credential import RoleCredential, read_role_credential
from identity.printable import rfc3339
from identity.secrets.secret_file import read_token_file
from identity.strict_json import read_object
from identity.transport.client import ClientFactory


@dataclass(frozen=True, slots=True)
class CredentialsUri:
    """Fetches from `uri` (`ALIBABA_CLOUD_CREDENTIALS_URI`), which may contain a secret: no error names it."""

    uri: str = field(repr=False)
    http: ClientFactory

    async def __call__(self) -> RoleCredential:
        """One request, within five seconds. Raises `UnreachableError`."""
        async with self.http() as http:
            request = http.build_request("GET", self.uri)
            body = await fetched(http, request, "credentials URI")
        return _credential("credentials URI", body, "default/credential_uri")


_PATH = "/latest/meta-data/ram/security-credentials/"
_ROLE_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class EcsRole:
    """Fetches the credential of `role`, or of the instance's role if that is empty."""

    metadata: MetadataService
    role: str = ""

    async def __call__(self) -> RoleCredential:
        """See `MetadataService.read`. Raises `UnreachableError`."""
        role = self.role or (await self.metadata.read(_PATH)).strip()
        if not _ROLE_NAME.fullmatch(role):
            raise unavailable("the metadata service names no role of this instance")
        text = await self.metadata.read(_PATH + role)
        return _credential("metadata service", text.encode(), "default/ecs_ram_role")


_STS_DEADLINE = 10.0
_STS_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class OidcRole:
    """Fetches the credential of a role that trusts a token in a file, as on ACK with RRSA.

    `sts` is the endpoint of STS, an origin. The token travels in the body.

    https://help.aliyun.com/zh/ram/developer-reference/api-sts-2015-04-01-assumerolewithoidc
    """

    sts: str
    role_arn: str
    provider_arn: str
    token_file: Path
    session_name: str
    http: ClientFactory
    clock: Callable[[], float] = time.time

    async def __call__(self) -> RoleCredential:
        """One request, within ten seconds. The token file is read anew. Raises `UnreachableError`."""
        try:
            token = await asyncio.to_thread(read_token_file, self.token_file)
        except ValueError as error:
            raise unavailable(f"the token file {error}", f'file "{self.token_file}"') from None
        query = {
            "Action": "AssumeRoleWithOIDC",
            "Format": "JSON",
            "Version": "2015-04-01",
            "Timestamp": rfc3339(self.clock(), "seconds"),
        }
        form = {
            "DurationSeconds": str(_STS_SECONDS),
            "RoleArn": self.role_arn,
            "OIDCProviderArn": self.provider_arn,
            "OIDCToken": token.reveal(),
            "RoleSessionName": self.session_name,
        }
        async with self.http() as http:
            request = http.build_request("POST", f"{self.sts}/", params=query, data=form)
            body = await fetched(http, request, "STS", _STS_DEADLINE)
        return _credential("STS", body, "default/oidc_role_arn", "Credentials")


def _credential(server: str, body: bytes, provider: str, member: str = "") -> RoleCredential:
    """The credential in a JSON object, or in its `member`. Raises `UnreachableError`."""
    try:
        members: Any = read_object(body)
        if member and not isinstance(members := members.get(member), dict):
            raise unavailable(f'{server}: the response has no "{member}"')
        return read_role_credential(members, provider=provider)
    except ValueError as error:
        raise unavailable(f"{server}: the response {error}") from None
