"""The error bodies of Model Studio's OpenAI-compatible API."""

import secrets
from collections.abc import Mapping
from typing import Any, Self

from starlette.responses import JSONResponse

_HELP = "For details, see: https://help.aliyun.com/zh/model-studio/error-code"


class RejectedRequestError(Exception):
    """The request cannot be served: HTTP status, the vendor's code, the parameter at fault."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_parameter_error",
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    @classmethod
    def of(cls, param: str, problem: str) -> Self:
        """A parameter that is wrong: `'n' must be 1`."""
        return cls(f"'{param}' {problem}", param=param)


def error_body(status: int) -> Mapping[str, Any]:
    """The body that goes with a status, for failures that are not the request's fault."""
    if status == 401:
        return _body(
            f"Incorrect API key provided. {_HELP}#apikey-error", "invalid_request_error", "invalid_api_key"
        )
    if status == 429:
        return _body(
            f"You have exceeded your current request limit. {_HELP}#rate-limit",
            "limit_requests",
            "limit_requests",
        )
    if status == 503:
        return _body("The model service is unavailable.", "server_error", "ModelServingError")
    return _body("An internal error has occured, please try again later.", "internal_error", "internal_error")


def answer(error: RejectedRequestError) -> JSONResponse:
    """The response to a rejected request."""
    return JSONResponse(_body(str(error), "invalid_request_error", error.code, error.param), error.status)


def _body(message: str, kind: str, code: str, param: str | None = None) -> Mapping[str, Any]:
    return {
        "error": {"message": message, "type": kind, "param": param, "code": code},
        "request_id": secrets.token_hex(16),
    }
