"""A request of the RPC style, and the error that refuses it."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request

LARGEST_BODY = 64 * 1024
_FORM = "application/x-www-form-urlencoded"


class OpenApiError(Exception):
    """A refusal. The message never quotes a secret or token. `detail` is what RAM adds to a 403."""

    def __init__(
        self, code: str, message: str, status: int = 400, *, detail: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.detail = detail

    @property
    def expired(self) -> bool:
        """Whether a credential was presented whose time was over."""
        return self.code.endswith("Token.Expired")


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """Parameters of the query and, with `form`, of a form in the body; each at most once."""

    method: str
    query: tuple[tuple[str, str], ...]
    headers: Headers
    body: bytes
    parameters: dict[str, str]
    path: str = "/"
    """As it was sent, and so as it was signed."""

    def required(self, name: str) -> str:
        """The value of a parameter that must be there."""
        if not self.parameters.get(name):
            code = f"Missing{name}"
            raise OpenApiError(code, f"{name} is mandatory for this action.")
        return self.parameters[name]

    @property
    def action(self) -> str:
        return self.headers.get("x-acs-action") or self.parameters.get("Action", "")

    @property
    def version(self) -> str:
        return self.headers.get("x-acs-version") or self.parameters.get("Version", "")


async def read_request(request: Request, *, form: bool) -> RpcRequest:
    """Reads the request whole; raises OpenApiError if it is too large or names a parameter twice."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise OpenApiError("RequestBodyTooLarge", "The request body is too large.", 413)
    query = tuple(parse_qsl(request.url.query, keep_blank_values=True))
    pairs = list(query)
    if form and request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        try:
            pairs += parse_qsl(body.decode(), keep_blank_values=True)
        except ValueError as error:
            raise OpenApiError("InvalidParameter", "The request body is not a form.") from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise OpenApiError("InvalidParameter", "A parameter appears more than once.")
    path = request.scope.get("raw_path", b"/").partition(b"?")[0].decode("latin-1")
    return RpcRequest(request.method, query, request.headers, body, parameters, path)
