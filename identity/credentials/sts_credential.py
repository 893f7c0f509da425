"""Temporary credentials of a cloud account role (STS), as the one secret of a `Credential`."""

import json
from dataclasses import dataclass
from typing import Self

from identity.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class StsCredential:
    """An access key and the security token that belongs to it. The id of the key is no secret."""

    access_key_id: str
    access_key_secret: Secret
    security_token: Secret

    def packed(self) -> Secret:
        """All three in one secret, for the cache."""
        parts = [self.access_key_id, self.access_key_secret.reveal(), self.security_token.reveal()]
        return Secret(json.dumps(parts))

    @classmethod
    def unpacked(cls, secret: Secret) -> Self:
        """The credentials of which `packed` made `secret`. Raises `ValueError` for another secret."""
        try:
            key_id, key_secret, token = map(str, json.loads(secret.reveal()))
        except (ValueError, TypeError):
            raise ValueError("the secret is no credential of a cloud account role") from None
        return cls(key_id, Secret(key_secret), Secret(token))
