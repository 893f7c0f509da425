"""The signature of Alibaba Cloud's OpenAPI, version 3 (ACS3-HMAC-SHA256).

https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from identity.secrets.secret import Secret

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
