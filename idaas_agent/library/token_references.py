"""The callers' access tokens on `langgraph dev`, in memory.

The server stores the result of its auth handler, also on disk. Therefore the handler returns a reference, and
the token stays here until it expires. A reference is valid in this process only; after a restart a caller
presents their token again.

The server loads a file that `langgraph.json` names twice, for the graph and for the auth handler. Both import
this module, which is loaded once.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from cachetools import TLRUCache

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secrets.secret import Secret

REFERENCE: Final = "access_token_reference"


class TokenReferences:
    """Verified tokens by reference, until they expire; above `capacity` the least recently used goes."""

    def __init__(self, *, capacity: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._tokens: TLRUCache[str, VerifiedAccessToken] = TLRUCache(
            capacity, ttu=lambda _, token, __: token.expires_at, timer=clock
        )

    def add(self, token: VerifiedAccessToken) -> str:
        """A reference to the token; the same one for the same token."""
        reference = hmac.digest(self._key, token.fingerprint.encode(), "sha256").hex()
        self._tokens[reference] = token
        return reference

    def find(self, reference: object, identity: object) -> Secret | None:
        """The token, if it is in memory, has not expired, and belongs to `identity` (see `identity_of`)."""
        token = self._tokens.get(reference) if isinstance(reference, str) else None
        return token.token if token is not None and identity == identity_of(token) else None


def identity_of(token: VerifiedAccessToken) -> str:
    """The server's name of a caller: the subject, unique within the one issuer that the agent trusts."""
    return token.principal.subject


token_references: Final = TokenReferences()


def member_of(user: object, name: str) -> Any:  # noqa: ANN401 - of the server's user, an object or a mapping
    """A member of the server's user; `None` if it has none."""
    return user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)
