"""The bearer token of a request, and the challenge of a response that refuses it (RFC 6750)."""

from collections.abc import Iterable
from typing import Final

from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, InsufficientScopeError
from identity.secrets.secret import Secret

_WHITESPACE: Final = " \t"
"""The whitespace of the header grammar (RFC 9110, section 5.6.3); `str.strip` also removes 0xA0 and
others."""


def bearer_token(authorization: Iterable[str]) -> Secret:
    """The token of the `Authorization` headers of one request (RFC 6750, section 2.1).

    A token in the body or the query is not accepted (RFC 9700, section 4.3.2).
    Raises `AccessTokenError`: missing if there is no such header, invalid if there are several.
    """
    match list(authorization):
        case []:
            raise AccessTokenError(GraphCode.ACCESS_TOKEN_MISSING, 'header "Authorization" is missing')
        case [value]:
            scheme, _, token = value.strip(_WHITESPACE).partition(" ")
            token = token.lstrip(" ")
            if scheme.lower() != "bearer" or not token:
                raise AccessTokenError(
                    GraphCode.ACCESS_TOKEN_MISSING, 'header "Authorization" must be "Bearer <access token>"'
                )
            return Secret(token)
        case _:
            raise AccessTokenError(
                IdentityCode.ACCESS_TOKEN_INVALID, "the access token must be sent once, in one header"
            )


def challenge(error: Exception, audience: str, scope: str, **further: str) -> dict[str, str]:
    """The `WWW-Authenticate` header for `error`, if it is about the access token (RFC 6750, section 3). No
    error code if no token was sent. `audience` and `scope` are the required ones, `further` other parameters.
    """
    if not isinstance(error, AccessTokenError):
        return {}
    parts = {"realm": "idaas-agent", **further}
    if isinstance(error, InsufficientScopeError):
        parts["error"] = "insufficient_scope"
        parts["error_description"] = "The access token lacks the required scope"
    elif error.code is not GraphCode.ACCESS_TOKEN_MISSING:  # the log has the refused claim
        parts["error"] = "invalid_token"
        parts["error_description"] = "The access token is expired or not valid for this resource"
    parts["scope"] = f"{audience}|{scope}"
    parameters = ", ".join(f'{name}="{_quoted(text)}"' for name, text in parts.items())
    return {"WWW-Authenticate": f"Bearer {parameters}"}


def _quoted(text: str) -> str:
    """`text` with only the characters that RFC 6750, section 3, allows in a challenge."""
    plain = text.replace('"', "'").replace("\\", "/")
    return "".join(character for character in plain if " " <= character <= "~")
