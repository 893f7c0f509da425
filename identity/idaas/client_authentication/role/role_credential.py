"""An access key of Alibaba Cloud, usually a temporary one of a RAM role (STS)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.secrets.secret import Secret

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,8192}")  # it stands in headers


@dataclass(frozen=True, slots=True)
class RoleCredential:
    """`provider` is where it came from, as the vendor's SDK names it. `expires_at` is in unix seconds."""

    access_key_id: str
    access_key_secret: Secret
    security_token: Secret | None
    provider: str
    expires_at: float | None = None

    @property
    def name(self) -> str:
        """The beginning of the access key's id, for operators."""
        return f"{self.access_key_id[:8]}…"


def role_credential(
    access_key_id: str,
    access_key_secret: str,
    security_token: str,
    *,
    provider: str,
    expires_at: float | None = None,
) -> RoleCredential:
    """The credential, if its parts can stand in a header. `security_token` is empty for a permanent key.

    Raises `ValueError`, without a part, if one is missing or malformed, or if a temporary key has no token.
    """
    if not _VISIBLE.fullmatch(access_key_id) or not _VISIBLE.fullmatch(access_key_secret):
        raise ValueError("has no usable access key")
    if security_token and not _VISIBLE.fullmatch(security_token):
        raise ValueError("has no usable security token")
    if access_key_id.startswith("STS.") and not security_token:
        raise ValueError("has a temporary access key without its security token")
    token = Secret(security_token) if security_token else None
    return RoleCredential(access_key_id, Secret(access_key_secret), token, provider, expires_at)


def read_role_credential(members: Mapping[str, Any], *, provider: str) -> RoleCredential:
    """The credential in a JSON object of the metadata service, a credentials URI or STS.

    Raises `ValueError`, without a value.
    """
    if members.get("Code", "Success") != "Success":
        raise ValueError('must contain "Code": "Success"')
    parts = [members.get(name) for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")]
    key_id, secret, token = (part if isinstance(part, str) else "" for part in parts)
    try:
        end = datetime.strptime(str(members.get("Expiration")), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError('has no usable "Expiration"') from None
    if not token:
        raise ValueError("has no usable security token")
    return role_credential(key_id, secret, token, provider=provider, expires_at=end.timestamp())


def role_unavailable(detail: str, about: str = "") -> UnreachableError:
    """The error of a role credential that cannot be obtained. `about` is for operators alone."""
    code = IdentityCode.CLIENT_CREDENTIAL_UNAVAILABLE
    return UnreachableError(code, f"role credential: {detail}", about=about)
