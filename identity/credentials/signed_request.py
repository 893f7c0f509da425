"""Requests that are signed with an access key of Alibaba Cloud, such as the temporary one of a role (STS)."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, quote

import httpx

from identity.printable import rfc3339
from identity.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Its id is no secret. A temporary key has a security token."""

    access_key_id: str
    access_key_secret: Secret
    security_token: Secret | None


@dataclass(frozen=True, slots=True)
class StsCredential(AccessKey):
    """A temporary access key; packed, it is the one secret of a `Credential`."""

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


_ALGORITHM: Final = "ACS3-HMAC-SHA256"


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The query, sorted and encoded by RFC 3986. It is what is sent as well as what is signed."""
    pairs = (
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(parameters.items())
    )
    return "&".join(pairs)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Signs the method, path, query, body, host and every `x-acs-*` header of a request.

    A signature is for one request and is good for 15 minutes. The access key's secret is not sent; the
    security token is. Which `x-acs-action` and `x-acs-version` the API expects is the caller's matter. The
    client must not follow redirects.
    """

    clock: Callable[[], float] = time.time
    nonce: Callable[[], str] = lambda: uuid.uuid4().hex

    def headers(
        self, method: str, path: str, query: str, unsigned: Mapping[str, str], body: bytes, key: AccessKey
    ) -> dict[str, str]:
        """The `unsigned` headers of a request, all of which are signed now, and those that sign it.

        Names are in lower case; `unsigned` must contain `host`. `query` is canonical. All is as it is sent.
        """
        digest = hashlib.sha256(body).hexdigest()
        signed = {
            **unsigned,
            "x-acs-date": rfc3339(self.clock(), "seconds"),
            "x-acs-signature-nonce": self.nonce(),
            "x-acs-content-sha256": digest,
        }
        if key.security_token is not None:
            signed["x-acs-security-token"] = key.security_token.reveal()
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        text = f"{_ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(key.access_key_secret.reveal().encode(), text.encode(), hashlib.sha256)
        proof = f"Credential={key.access_key_id},SignedHeaders={names},Signature={signature.hexdigest()}"
        return {**signed, "Authorization": f"{_ALGORITHM} {proof}"}

    def attach(self, request: httpx.Request, secret: Secret) -> None:
        """Signs `request` with the packed `secret`; a request that is sent again is signed again.

        Raises `ValueError`, without a value, for another secret, a query parameter that is repeated, which
        services sign in several forms, and a streamed body, whose digest is not known.
        """
        if not isinstance(request.stream, Iterable):
            raise ValueError("a signed request cannot have a streamed body")  # noqa: TRY004 - as documented
        sts = StsCredential.unpacked(secret)
        path, _, sent = request.url.raw_path.decode("ascii").partition("?")
        pairs = parse_qsl(sent, keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a signed request must not repeat a query parameter")
        unsigned = {
            name: value
            for name, value in request.headers.items()
            if name in ("host", "content-type") or name.startswith("x-acs-")
        }
        query = canonical_query(dict(pairs))
        request.headers.update(self.headers(request.method, path, query, unsigned, request.read(), sts))


SIGNED_REQUEST = SignedRequest()
