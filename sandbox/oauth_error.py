"""The error answers of IDaaS and of its Developer API: one shape for both (RFC 6749, section 5.2)."""

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse

STATUS = {"invalid_client": 401, "access_denied": 403, "server_error": 500}


def new_request_id() -> str:
    """What ties an answer to its event."""
    return str(uuid.uuid4()).upper()


class OAuthError(Exception):
    """A refusal. `status` follows from the code unless given; the description never quotes a secret or token.

    `expired` marks the refusal of a credential whose time was over. `reason` is for the event only, where
    the caller may not learn what is wrong.
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int | None = None,
        expired: bool = False,
        reason: str | None = None,
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status or STATUS.get(error, 400)
        self.expired = expired
        self.reason = reason


def error_response(
    refusal: OAuthError, request_id: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The JSON body that the official SDKs read: `error`, `error_description`, `request_id`."""
    return JSONResponse(
        {"error": refusal.error, "error_description": refusal.description, "request_id": request_id},
        status_code=refusal.status,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def single_parameters(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Parameters by name. A repeated one is refused; an empty one is as good as absent (RFC 6749, 3.1)."""
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise OAuthError("invalid_request", f'parameter "{name}" must appear once')
        parameters[name] = value
    return {name: value for name, value in parameters.items() if value}


def required(parameters: dict[str, str], name: str) -> str:
    """The value of a parameter that must be there."""
    if name not in parameters:
        raise OAuthError("invalid_request", f'parameter "{name}" is missing')
    return parameters[name]


def bearer_token(request: Request) -> str | None:
    """The token of an `Authorization: Bearer` header (RFC 6750, section 2.1)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def read_body(request: Request, most: int = 64 * 1024) -> bytes | None:
    """The whole body; None if it has more than `most` bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            return None
    return bytes(body)
