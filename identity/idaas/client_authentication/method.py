"""The seam of client authentication: make this token request authenticated (RFC 6749, section 2.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.secrets.secret import Secret

TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name, no secret
USER_AGENT: Final = "idaas-agent"
ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, no secret


@dataclass(frozen=True, slots=True)
class Grant:
    """The token to request: the agent's own (RFC 6749, section 4.4), or, with `subject_token`, the user's by
    exchange (RFC 8693, section 2.1). `scope` has items of the form `audience|permission`.
    """

    scope: str
    subject_token: Secret | None = None

    def form(self) -> dict[str, str]:
        """The parameters of the token endpoint, in the order of the vendor's SDK. In clear."""
        if self.subject_token is None:
            return {"grant_type": "client_credentials", "scope": self.scope}
        return {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": self.subject_token.reveal(),
            "subject_token_type": ACCESS_TOKEN_TYPE,
            "requested_token_type": ACCESS_TOKEN_TYPE,
            "scope": self.scope,
        }


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One POST that requests a token. In clear: for sending, not for keeping.

    `presented` is the secret or key that authenticates it, to compare with. `server` names the address in
    error details.
    """

    grant: Grant
    url: str = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    presented: object = field(repr=False, default=None)
    server: str = "token endpoint"

    @classmethod
    def unauthenticated(cls, grant: Grant, token_endpoint: str) -> "TokenRequest":
        """The request for `grant` to the token endpoint, before the client is named."""
        return cls(grant, token_endpoint, grant.form(), {"Content-Type": "application/x-www-form-urlencoded"})

    def by_client(self, form: Mapping[str, str], **changes: Any) -> "TokenRequest":  # noqa: ANN401 - of `replace`
        """The request with `form` before its own parameters, and other members changed."""
        return replace(self, form={**form, **self.form}, **changes)

    def body(self) -> bytes:
        """The form, encoded; empty without parameters."""
        return urlencode(self.form).encode("ascii")


class ClientAuthentication(Protocol):
    """A method of client authentication. `renew` and `inspect` have no effect on what IDaaS knows."""

    async def authenticate(self, request: TokenRequest) -> TokenRequest:
        """`request` with the proof of who the client is, made for this request.

        Raises `UnreachableError` if the proof cannot be obtained now.
        """

    async def renew(self, refused: TokenRequest) -> bool:
        """Whether `authenticate` now presents another secret, key or document than `refused` did, which IDaaS
        did not accept: then one more request may help.
        """

    async def inspect(self) -> str:
        """The proof, and its place, in a sentence for operators; no secret. Raises as `authenticate` does."""


def unavailable(detail: str, about: str = "") -> UnreachableError:
    """The error of a credential of the client that cannot be obtained. `about` is for operators alone."""
    return UnreachableError(IdentityCode.CLIENT_CREDENTIAL_UNAVAILABLE, detail, about=about)


_FEDERATED: Final = "urn:cloud:idaas:params:oauth:client-assertion-type"


def federated_form(client_id: str, credential_name: str, kind: str, assertion: str) -> dict[str, str]:
    """The parameters of the token endpoint, in the order of the vendor's SDK."""
    return {
        "client_id": client_id,
        "application_federated_credential_name": credential_name,
        "client_assertion_type": f"{_FEDERATED}:{kind}",
        "client_assertion": assertion,
    }
