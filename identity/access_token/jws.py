"""A strict parser of the JWS compact serialization (RFC 7515, section 7.1).

A token is parsed once, here, so that the claims are read from the bytes whose signature is verified.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from identity.base64url import decode_base64url
from identity.strict_json import read_object


@dataclass(frozen=True, slots=True)
class CompactJws:
    """A parsed JWS whose payload is a JSON object. Its signature is not verified."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_compact_jws(token: str) -> CompactJws:
    """Parses a token. Raises `ValueError` that names the part, and no other exception.

    Refused are: other than three parts (JWE and the JSON serialization among them), characters outside the
    base64url alphabet, padding, base64url that is not canonical, JSON that is not strict, and an empty
    signature.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("it must have 3 parts")
    decoded_parts: dict[str, Any] = {}
    for name, part in zip(("header", "payload", "signature"), parts, strict=True):
        try:
            decoded = decode_base64url(part)
            decoded_parts[name] = decoded if name == "signature" else read_object(decoded)
        except ValueError as error:
            raise ValueError(f"the {name} {error}") from None
    return CompactJws(**decoded_parts, signing_input=token[: token.rindex(".")].encode("ascii"))


_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_MAX_KID = 255


@dataclass(frozen=True, slots=True)
class JoseHeader:
    """The algorithm, which is one of the allowed ones, and the `kid`."""

    algorithm: str
    kid: str | None


def read_header(header: Mapping[str, Any], algorithms: Set[str]) -> JoseHeader:
    """The validated header. Raises `ValueError` that names the member.

    `jku`, `jwk`, `x5u` and `x5c`, with which a token could supply its own key, are ignored
    (RFC 8725, section 3.10).
    """
    # RFC 7515, section 4.1.11: a critical extension that is not supported must be refused; none is supported
    # here. RFC 7797 requires "b64" to be critical, so a token that has it without "crit" is refused too.
    for extension in ("crit", "b64", "zip"):
        if extension in header:
            raise _invalid(extension, "must be absent")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise _invalid("alg", f"must be one of {', '.join(sorted(algorithms))}")
    # RFC 9068, section 4 requires "at+jwt"; IDaaS does not document its value, and most servers write "JWT".
    # Any other value marks another kind of JWT (RFC 8725, section 3.11).
    token_type = header.get("typ", "JWT")
    if not isinstance(token_type, str) or token_type.lower() not in _TYPES:
        raise _invalid("typ", 'must be "JWT" or "at+jwt"')
    kid = header.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _MAX_KID):
        raise _invalid("kid", f"must be a text of 1 to {_MAX_KID} characters")
    return JoseHeader(algorithm, kid)


def _invalid(member: str, fault: str) -> ValueError:
    return ValueError(f'header "{member}" {fault}')
