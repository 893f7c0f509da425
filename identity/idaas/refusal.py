"""What IDaaS says when it refuses, reduced to what may be shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from identity.error_code import ErrorCode
from identity.error_codes import IdentityCode
from identity.strict_json import read_object
from identity.transport.bounded_response import Response

# A code is a word; anything else could be a value that was echoed.
_CODE = re.compile(r"[a-z]+(?:_[a-z]+)*|[A-Z][A-Za-z]*(?:\.[A-Z][A-Za-z]*)*")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer. `code` is `""` if the answer has none; descriptions are dropped, they quote input."""

    status: int
    code: str
    request_id: str

    def __str__(self) -> str:
        found = [f"status {self.status}"]
        if self.request_id:
            found.append(f"request id {self.request_id}")
        return f"{self.code or 'no error code'} ({', '.join(found)})"


def read_refusal(response: Response) -> Refusal:
    """Reads both of IDaaS's shapes: `error`, `request_id` (OAuth) and `Code`, `RequestId` (OpenAPI)."""
    try:
        body = read_object(response.body)
    except ValueError:
        body = {}
    return Refusal(
        status=response.status,
        code=_member(body, ("error", "Code"), _CODE),
        request_id=_member(body, ("request_id", "RequestId"), _REQUEST_ID),
    )


_EXCHANGE_ERRORS: Final[Mapping[str, ErrorCode]] = {
    "invalid_grant": IdentityCode.USER_TOKEN_REFUSED,
    "unauthorized_client": IdentityCode.AGENT_EXCHANGE_REFUSED,
    "unsupported_grant_type": IdentityCode.AGENT_EXCHANGE_REFUSED,
}


def exchange_error_code(code: str) -> ErrorCode:
    """Whom IDaaS refused an exchange by `code`.

    `invalid_grant` is about the user's token; `unauthorized_client` and `unsupported_grant_type` are about
    the agent (RFC 6749, section 5.2). Of the others it cannot be known whose permission is missing:
    `invalid_scope` is the answer to a user without the permission and to an agent without it,
    `access_denied` to either being disabled, and `invalid_request` to a malformed request and to a bad user
    token (RFC 8693, section 2.2.2).
    """
    return _EXCHANGE_ERRORS.get(code, IdentityCode.TOKEN_EXCHANGE_FAILED)


def _member(body: Mapping[str, Any], names: tuple[str, ...], shape: re.Pattern[str]) -> str:
    for name in names:
        value = body.get(name)
        if isinstance(value, str) and len(value) <= 64 and shape.fullmatch(value):
            return value
    return ""
