"""The configuration of an HTTP trigger's JWT authentication, in the forms that the vendor documents.

https://www.alibabacloud.com/help/en/functioncompute/fc/configure-jwt-authentication-for-an-http-trigger
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_LOOKUP_POSITIONS = ("header", "cookie", "query")
_CLAIM_POSITIONS = ("header", "query")


@dataclass(frozen=True, slots=True)
class TokenLookup:
    """Where the token is. The prefix includes its blank and is only for headers."""

    position: str
    name: str
    prefix: str = ""

    def __post_init__(self) -> None:
        _check(self.position, _LOOKUP_POSITIONS, "token lookup")

    @classmethod
    def parse(cls, text: str) -> tuple["TokenLookup", ...]:
        """Reads `position:name[:prefix]`, several joined by commas: `header:Authorization:Bearer `."""
        return tuple(cls(*part.split(":", 2)) for part in text.split(",") if part)


@dataclass(frozen=True, slots=True)
class ClaimPassBy:
    """A claim that the function receives, as a header or in the query."""

    position: str
    claim: str
    name: str

    def __post_init__(self) -> None:
        _check(self.position, _CLAIM_POSITIONS, "claim")

    @classmethod
    def parse(cls, text: str) -> tuple["ClaimPassBy", ...]:
        """Reads `position:claim:name`, several joined by commas; `query::` passes nothing."""
        parts = (part.split(":", 2) for part in text.split(",") if part)
        return tuple(cls(*part) for part in parts if all(part))


@dataclass(frozen=True, slots=True)
class JwtAuthentication:
    """A trigger's `authConfig`. The JWKS is a copy that an operator pasted, and read anew for each request.

    `whitelist` paths need no token; with a `blacklist` only its paths need one; a final `*` matches any
    rest. Raises ValueError if both are given. The positions `form` (token) and `cookie`, `form` (claims) of
    the real trigger are not implemented and refused.
    """

    jwks: Callable[[], Mapping[str, Any]]
    lookups: Callable[[], tuple[TokenLookup, ...]]
    claims: tuple[ClaimPassBy, ...] = ()
    whitelist: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.whitelist and self.blacklist:
            raise ValueError('"whitelist" and "blacklist" must not both be set')

    def needs_token(self, path: str) -> bool:
        """Whether a request to `path` must carry a token."""
        if self.blacklist:
            return any(_matches(pattern, path) for pattern in self.blacklist)
        return not any(_matches(pattern, path) for pattern in self.whitelist)


def _matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _check(position: str, allowed: tuple[str, ...], what: str) -> None:
    if position not in allowed:
        text = f'position of a {what} must be one of {", ".join(allowed)}, found "{position}"'
        raise ValueError(text)
