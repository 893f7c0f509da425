"""The sealed caller: what is stored and queued in place of an access token.

    v1.<key name>.<expiry>.<base64url: nonce, then ciphertext and tag>

AES-256-GCM (NIST SP 800-38D) under a key that only the agent's processes have. The associated data binds it
to the principal, the thread, what the run is given, the audience and the expiry. Its identifier binds it to
the first run that claims it (`SealClaims`).

An envelope is no secret: without the key it contains nothing that can be used.
"""

import hashlib
import hmac
import json
import math
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from types import MappingProxyType
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.base64url import decode_base64url
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError
from identity.principal import Principal
from identity.secrets.secret import Secret

_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]{64}")
"""A key as `openssl rand -hex 32` prints it: it would be read as base64url of 48 bytes."""
_KEY_BYTES: Final = 32
_MAX_KEYS: Final = 2


@dataclass(frozen=True, slots=True, repr=False)
class SealingKeys:
    """The first key seals, every key opens. A key is named by the beginning of its SHA-256."""

    sealing: str
    by_name: Mapping[str, AESGCM]
    for_hashes: Mapping[str, bytes]
    """By name: 32 bytes for keyed hashes, derived from the key, which cannot be derived from them."""

    @classmethod
    def of(cls, text: str) -> Self:
        """The keys of a file: base64url of 32 random bytes, one or two lines, the sealing key first.

        Raises `ValueError`, without a key, if there are none, more than two, or one cannot be used.
        """
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not 1 <= len(lines) <= _MAX_KEYS:
            raise ValueError(f"must contain one key or two, found {len(lines)}")
        keys = [_key(line) for line in lines]
        names = [hashlib.sha256(key).hexdigest()[:8] for key in keys]
        by_name = {name: AESGCM(key) for name, key in zip(names, keys, strict=True)}
        for_hashes = {
            name: hmac.digest(key, b"keyed hashes", "sha256") for name, key in zip(names, keys, strict=True)
        }
        return cls(names[0], MappingProxyType(by_name), MappingProxyType(for_hashes))

    def __repr__(self) -> str:
        return f"SealingKeys({', '.join(self.by_name)})"


def _key(line: str) -> bytes:
    if _HEXADECIMAL.fullmatch(line):
        remedy = "xxd -r -p FILE | base64 | tr '+/' '-_' converts one"
        raise ValueError(f"must contain keys in base64url, found hexadecimal digits: {remedy}")
    try:
        key = decode_base64url(line.rstrip("="))
    except ValueError:
        raise ValueError("must contain keys in base64url") from None
    if len(key) != _KEY_BYTES:
        raise ValueError(f"must contain keys of {_KEY_BYTES} bytes, found {len(key)}")
    return key


_VERSION: Final = "v1"
_NONCE_BYTES: Final = 12
_MAX_CHARACTERS: Final = 32 * 1024


class SealClaims(Protocol):
    """Binds each envelope to the one run that uses it, over all processes."""

    async def claim(self, envelope_id: str, run_id: str, until: float) -> bool:
        """Whether `run_id` is the first run that claims the envelope, or has claimed it before.

        Atomic. The claim is kept until `until`, in unix seconds, at least.
        """


@dataclass(frozen=True, slots=True)
class SealedCaller:
    """An opened envelope. `access_token` is not verified again here: that is the verifier's task."""

    access_token: Secret
    expires_at: float


@dataclass(frozen=True, slots=True)
class CallerSeal:
    """Seals and opens callers. Neither keeps anything.

    `open` raises `AccessTokenError` with `sign_in_required` for an envelope that is malformed or has expired,
    is another principal's, thread's, run's or audience's, was sealed for a run that is given something else,
    or under a key that is not known. Which of these it is, only the operator's detail contains.
    """

    keys: SealingKeys
    _: KW_ONLY
    audience: str
    claims: SealClaims
    clock: Callable[[], float] = time.time

    def seal(self, caller: VerifiedAccessToken, thread_id: str, input_digest: str) -> str:
        """The envelope of `caller` for a run of `thread_id`. It expires with the caller's token.

        `input_digest` is the digest of the run's input.
        """
        expiry = math.floor(caller.expires_at)
        name = self.keys.sealing
        nonce = secrets.token_bytes(_NONCE_BYTES)
        bound = _associated_data(caller.principal, thread_id, input_digest, self.audience, expiry)
        ciphertext = self.keys.by_name[name].encrypt(nonce, caller.token.reveal().encode("ascii"), bound)
        payload = urlsafe_b64encode(nonce + ciphertext).rstrip(b"=").decode("ascii")
        return f"{_VERSION}.{name}.{expiry}.{payload}"

    async def open(
        self, envelope: object, principal: Principal, thread_id: str, input_digest: str, run_id: str
    ) -> SealedCaller:
        """The caller of one run, once its envelope has been claimed for `run_id`.

        `input_digest` is the digest of the run's input now. Raises `AccessTokenError`, and what the claims
        raise if they cannot be reached.
        """
        if not isinstance(envelope, str) or len(envelope) > _MAX_CHARACTERS:
            raise _refused("there is none")
        version, _, rest = envelope.partition(".")
        name, _, rest = rest.partition(".")
        expiry, _, payload = rest.partition(".")
        if version != _VERSION or not expiry.isascii() or not expiry.isdecimal() or len(expiry) > 12:
            raise _refused("it is malformed")
        if (key := self.keys.by_name.get(name)) is None:
            raise _refused("it was sealed under a key that is not known")
        expires_at = int(expiry)
        if expires_at <= self.clock():
            raise _refused("it has expired")
        bound = _associated_data(principal, thread_id, input_digest, self.audience, expires_at)
        try:
            sealed = decode_base64url(payload)
            token = key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound).decode("ascii")
        except (InvalidTag, ValueError):
            raise _refused(
                "it is not this principal's, thread's, input's or audience's, or was changed"
            ) from None
        identifier = hashlib.sha256(sealed[:_NONCE_BYTES] + sealed[-16:]).hexdigest()
        if not await self.claims.claim(identifier, run_id, expires_at):
            raise _refused("it was sealed for another run")
        return SealedCaller(Secret(token), expires_at)


def _associated_data(
    principal: Principal, thread_id: str, input_digest: str, audience: str, expiry: int
) -> bytes:
    whose = ["sealed caller", _VERSION, principal.issuer, principal.subject]
    bound = [*whose, thread_id, input_digest, audience, expiry]
    return json.dumps(bound, separators=(",", ":")).encode("ascii")


def _refused(why: str) -> AccessTokenError:
    return AccessTokenError(IdentityCode.SIGN_IN_REQUIRED, f"the sealed caller of the run: {why}")
