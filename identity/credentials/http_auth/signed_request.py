"""The placement of a cloud role's credentials: the request is signed with them (ACS3-HMAC-SHA256).

https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import httpx

from identity.credentials.http_auth.acs3_signature import authorization, canonical_query, sha256_hex
from identity.credentials.sts_credential import StsCredential
from identity.secrets.secret import Secret


def _nonce() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Signs the method, path, query, body, host and every `x-acs-*` header of a request.

    A signature is for one request and is good for 15 minutes. The access key's secret is not sent; the
    security token is. Which `x-acs-action` and `x-acs-version` the API expects is the caller's matter. The
    client must not follow redirects.
    """

    clock: Callable[[], float] = time.time
    nonce: Callable[[], str] = _nonce

    def attach(self, request: httpx.Request, secret: Secret) -> None:
        """Signs `request` with the packed `secret`; a request that is sent again is signed again.

        Raises `ValueError`, without a value, for another secret and for a query parameter that is repeated:
        services differ in how they sign it.
        """
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
