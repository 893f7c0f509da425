"""Temporary credentials of a cloud account role (STS), as the one secret of a `Credential`."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import parse_qsl, quote

import httpx

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


ALGORITHM: Final = "ACS3-HMAC-SHA256"


def sha256_hex(content: bytes) -> str:
    """The digest of a body, as `x-acs-content-sha256` has it."""
    return hashlib.sha256(content).hexdigest()


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The query, sorted and encoded by RFC 3986. It is what is sent as well as what is signed."""
    pairs = (
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(parameters.items())
    )
    return "&".join(pairs)


def authorization(
    method: str,
    query: str,
    headers: Mapping[str, str],
    *,
    path: str = "/",
    access_key_id: str,
    access_key_secret: Secret,
) -> str:
    """The `Authorization` header of a request to `path`, as it is sent. All `headers` are signed.

    `headers` must contain `host` and `x-acs-content-sha256`; names are in lower case. `query` is canonical.
    """
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    text = f"{ALGORITHM}\n{sha256_hex(canonical.encode())}"
    signature = hmac.new(access_key_secret.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={access_key_id},SignedHeaders={names},Signature={signature}"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Signs the method, path, query, body, host and every `x-acs-*` header of a request.

    A signature is for one request and is good for 15 minutes. The access key's secret is not sent; the
    security token is. Which `x-acs-action` and `x-acs-version` the API expects is the caller's matter. The
    client must not follow redirects.
    """

    clock: Callable[[], float] = time.time
    nonce: Callable[[], str] = lambda: uuid.uuid4().hex

    def attach(self, request: httpx.Request, secret: Secret) -> None:
        """Signs `request` with the packed `secret`; a request that is sent again is signed again.

        Raises `ValueError`, without a value, for another secret, a query parameter that is repeated, which
        services sign in several forms, and a streamed body, whose digest is not known.
        """
        if not isinstance(request.stream, httpx.SyncByteStream):
            raise ValueError("a signed request cannot have a streamed body")  # noqa: TRY004 - as documented
        sts = StsCredential.unpacked(secret)
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a signed request must not repeat a query parameter")
        request.headers.update(
            {
                "x-acs-date": f"{datetime.fromtimestamp(self.clock(), UTC):%Y-%m-%dT%H:%M:%SZ}",
                "x-acs-signature-nonce": self.nonce(),
                "x-acs-content-sha256": sha256_hex(request.read()),
                "x-acs-security-token": sts.security_token.reveal(),
            }
        )
        signed = {
            name: value
            for name, value in request.headers.items()
            if name in ("host", "content-type") or name.startswith("x-acs-")
        }
        request.headers["Authorization"] = authorization(
            request.method,
            canonical_query(dict(pairs)),
            signed,
            path=path,
            access_key_id=sts.access_key_id,
            access_key_secret=sts.access_key_secret,
        )


SIGNED_REQUEST = SignedRequest()
