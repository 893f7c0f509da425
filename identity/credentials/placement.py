"""Where an HTTP request carries a credential: a header with or without a scheme, or a query parameter."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import httpx

from identity.secrets.secret import Secret

_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110, section 5.6.2
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")
_PARAMETER: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")  # RFC 3986, section 2.3: never percent-encoded
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_RESERVED: Final = (
    "accept accept-encoding connection content-encoding content-length content-type cookie expect host "
    "keep-alive mcp-method mcp-name mcp-protocol-version mcp-session-id proxy-authorization "
    "proxy-connection te trailer transfer-encoding upgrade"
)
"""Headers that the HTTP client, a proxy or MCP interprets, with a space between them."""


@dataclass(frozen=True, slots=True)
class Placement:
    """One header, with an optional authentication scheme, or one query parameter.

    `Placement("Authorization", "Bearer")` is `BEARER` (RFC 6750, section 2.1); `Placement("X-API-Key")` is a
    header without a scheme; `Placement(query="key")` is a query parameter, for services that accept nothing
    else. Raises `ValueError` for a name that cannot be sent, or that has another meaning in HTTP or MCP.

    Not checked: whether the service accepts this placement.
    """

    header: str = ""
    scheme: str = ""
    query: str = ""

    def __post_init__(self) -> None:
        if bool(self.header) == bool(self.query):
            raise ValueError("a placement must name either a header or a query parameter")
        if self.query:
            if self.scheme:
                raise ValueError("a query parameter has no scheme")
            if not _PARAMETER.fullmatch(self.query):
                raise ValueError('a query parameter must consist of letters, digits, ".", "_", "~" and "-"')
            return
        if not _FIELD_NAME.fullmatch(self.header):
            raise ValueError("a header name must be a token of RFC 9110, section 5.6.2")
        if self.header.lower() in _RESERVED.split():
            raise ValueError(f'header "{self.header}" must not carry a credential')
        if self.scheme and not _SCHEME.fullmatch(self.scheme):
            raise ValueError("a scheme must be a word of letters, digits and hyphens")

    def attach(self, request: httpx.Request, secret: Secret) -> None:
        """Adds `secret` to `request`, and replaces an earlier one.

        A query parameter is sent, but is not part of `request.url`: URLs are logged by the HTTP client and
        recorded by tracers. The client must not follow redirects, because it would send the parameter along.
        Raises `ValueError`, without the value, if the secret is not visible ASCII.
        """
        value = secret.reveal()
        if not _VISIBLE.fullmatch(value):
            raise ValueError("a credential must consist of visible ASCII characters")
        if self.header:
            request.headers[self.header] = f"{self.scheme} {value}" if self.scheme else value
            return
        path, _, query = request.url.raw_path.partition(b"?")
        name = self.query.encode()
        # The service must not find two values, of which it might use the other one.
        parameters = [parameter for parameter in query.split(b"&") if parameter]
        rest = [parameter for parameter in parameters if unquote_to_bytes(parameter.split(b"=")[0]) != name]
        query = b"&".join([*rest, name + b"=" + quote(value, safe="").encode()])
        request.extensions = {**request.extensions, "target": path + b"?" + query}


BEARER: Final = Placement("Authorization", "Bearer")
"""`Authorization: Bearer …` (RFC 6750, section 2.1)."""
