"""The error response of IDaaS, reduced to what may be logged."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode
from identity.strict_json import read_object
from identity.transport.bounded_response import Response

# A code consists of words; another text could repeat a value of the request.
_CODE = re.compile(r"[a-z]+(?:_[a-z]+)*|[A-Z][A-Za-z]*(?:\.[A-Z][A-Za-z]*)*")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error response. `code` is `""` if it has none; its description, which quotes input, is dropped."""

    status: int
    code: str
    request_id: str

    def __str__(self) -> str:
        found = [f"status {self.status}"]
        if self.request_id:
            found.append(f"request id {self.request_id}")
        return f"{self.code or 'no error code'} ({', '.join(found)})"


def read_refusal(response: Response) -> Refusal:
    """Reads both forms of IDaaS: `error` and `request_id` (OAuth), `Code` and `RequestId` (OpenAPI)."""
    try:
        body = read_object(response.body)
    except ValueError:
        body = {}
    return Refusal(
        status=response.status,
        code=_member(body, ("error", "Code"), _CODE),
        request_id=_member(body, ("request_id", "RequestId"), _REQUEST_ID),
    )


_CLIENT_ERRORS: Final = (
    "NoPermission",
    "Forbidden.RAM",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "SignatureNonceUsed",
    "InvalidTimeStamp",
    "InvalidAccessKeyId",
    "InvalidSecurityToken",
    "MissingSecurityToken",
    "ResourceNotFound.Application",
    "ResourceNotFound.Instance",
)
"""Codes of the OpenAPI, or their beginnings, that are about the role, its signature or the client."""


def client_is_refused(refusal: Refusal) -> bool:
    """Whether the client's authentication is refused, rather than what it requested."""
    return (
        refusal.code == "invalid_client" or refusal.status == 401 or refusal.code.startswith(_CLIENT_ERRORS)
    )


_EXCHANGE_ERRORS: Final[Mapping[str, ErrorCode]] = {
    "invalid_grant": IdentityCode.USER_TOKEN_REFUSED,
    "unauthorized_client": IdentityCode.AGENT_EXCHANGE_REFUSED,
    "unsupported_grant_type": IdentityCode.AGENT_EXCHANGE_REFUSED,
}


def exchange_error_code(code: str) -> ErrorCode:
    """The agent's code for a token exchange that IDaaS refused with `code`.

    `invalid_grant` refuses the user's token; `unauthorized_client` and `unsupported_grant_type` refuse the
    agent (RFC 6749, section 5.2). The others do not distinguish them: `invalid_scope` means that the user or
    the agent lacks the permission, `access_denied` that one of them is disabled, and `invalid_request` that
    the request is malformed or the user's token invalid (RFC 8693, section 2.2.2).
    """
    if "SubjectToken" in code and not code.startswith("Missing"):  # the OpenAPI
        return IdentityCode.USER_TOKEN_REFUSED
    return _EXCHANGE_ERRORS.get(code, IdentityCode.TOKEN_EXCHANGE_FAILED)


def _member(body: Mapping[str, Any], names: tuple[str, ...], shape: re.Pattern[str]) -> str:
    for name in names:
        value = body.get(name)
        if isinstance(value, str) and len(value) <= 64 and shape.fullmatch(value):
            return value
    return ""
