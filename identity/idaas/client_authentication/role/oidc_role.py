"""The credential of a RAM role that trusts a token in a file (STS `AssumeRoleWithOIDC`), as on ACK with RRSA.

https://help.aliyun.com/zh/ram/developer-reference/api-sts-2015-04-01-assumerolewithoidc
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from identity.idaas.client_authentication.role.role_credential import (
    RoleCredential,
    read_role_credential,
    role_unavailable,
)
from identity.idaas.refusal import read_refusal
from identity.idaas.token_file import read_token_file
from identity.strict_json import read_object
from identity.transport.bounded_response import Response, TransportFailure, send
from identity.transport.client import ClientFactory

_MAX_BYTES = 65_536
_DEADLINE = 10.0
_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class OidcRole:
    """Fetches from the STS endpoint `sts`, an origin. The token travels in the body."""

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
            detail, about = f"the token file {error}", f'file "{self.token_file}"'
            raise role_unavailable(detail, about) from None
        moment = datetime.fromtimestamp(self.clock(), UTC)
        query = {
            "Action": "AssumeRoleWithOIDC",
            "Format": "JSON",
            "Version": "2015-04-01",
            "Timestamp": f"{moment:%FT%TZ}",
        }
        form = {
            "DurationSeconds": str(_SECONDS),
            "RoleArn": self.role_arn,
            "OIDCProviderArn": self.provider_arn,
            "OIDCToken": token.reveal(),
            "RoleSessionName": self.session_name,
        }
        async with self.http() as http:
            request = http.build_request("POST", f"{self.sts}/", params=query, data=form)
            return _read(await send(http, request, max_bytes=_MAX_BYTES, deadline=_DEADLINE))


def _read(response: Response | TransportFailure) -> RoleCredential:
    if isinstance(response, TransportFailure):
        detail = f"STS: {response.reason}"
        raise role_unavailable(detail)
    if response.status != 200:
        detail = f"STS: {read_refusal(response)}"
        raise role_unavailable(detail)
    try:
        members = read_object(response.body).get("Credentials")
        if not isinstance(members, dict):
            raise role_unavailable('STS: the response has no "Credentials"')
        return read_role_credential(members, provider="default/oidc_role_arn")
    except ValueError as error:
        detail = f"STS: the response {error}"
        raise role_unavailable(detail) from None
