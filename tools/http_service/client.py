"""The HTTP client of a tool: it sends requests to one service and attaches the credential."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import httpx

from identity.credentials.placement import BEARER, Placement
from identity.credentials.requirement import Credential
from identity.credentials.signed_request import SignedRequest
from identity.errors import ErrorCode, ServiceError
from identity.observation.metrics import OTHER
from identity.observation.traceparent import Receiver
from identity.principal import Caller
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from identity.transport.body import (
    EncodedResponseError,
    ResponseTooLargeError,
    decode_utf8,
    limit_body,
    media_type,
    truncate_body,
)
from identity.transport.bounded_response import client_span, responded
from identity.transport.json_size import read_json
from tools.error_codes import ToolCode
from tools.result import model_text
from tools.service import Access, send_with_credential

_FURTHER: Final = ("x-", "idempotency-key", "if-match", "if-none-match")
_SHOWN: Final = ("x-", "etag", "location", "retry-after", "content-type")
_Sent: TypeAlias = tuple[int, str, Mapping[str, str], bytes]


@dataclass(frozen=True, slots=True)
class ServiceResponse:
    """A response with a status of 2xx, without the credential if the service echoed it."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`etag`, `location`, `retry-after`, `content-type` and those that begin with `x-`, in lower case."""
    content: bytes = field(default=b"", repr=False)
    """The bytes as they came, for `ToolResult.files`."""

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The text parsed as JSON. Raises `ValueError`."""
        return read_json(self.text)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a service, the placement of its credential, and the code of its failures."""

    service: str
    url: str
    error_code: ErrorCode
    max_bytes: int
    settings: tuple[str, ...] = ()
    placement: Placement | SignedRequest = BEARER

    def error(self, detail: str, *, status: int | None = None, body: str = "") -> ServiceError:
        """A failure of the service, under its code."""
        return ServiceError(
            self.error_code, f'"{self.service}" {detail}', status=status, body=body, settings=self.settings
        )

    def unusable(self, detail: str) -> ServiceError:
        """The failure that there is no response, or none that can be used."""
        return self.error(f"gave no usable response: {detail}")


class ServiceClient:
    """Sends requests to the service's URL and below it, for one call of a tool.

    The credential is attached to every request and sent to no other URL: redirects are not followed, and path
    segments are encoded, because the model chooses arguments. After a 401 or 403 the credential is renewed
    and the request sent once more, unless the credential is too new to be renewed. `ServiceError` is raised
    for any other failure, a second refusal, a web page instead of a response, and invalid JSON. From its
    `status` and `body` a tool can make a result of, for example, a 404; if it does not catch the error, the
    call fails.
    """

    def __init__(
        self, http: httpx.AsyncClient, endpoint: Endpoint, access: Access | None, caller: Caller | None = None
    ) -> None:
        self._http = http
        self._endpoint = endpoint
        self._access = access
        self.caller: Final = caller
        """For whom the call is made; `None` outside of a run."""
        self.presented: Final[list[Secret]] = []
        """The secrets that were attached in this call."""

    @property
    def auth(self) -> httpx.Auth:
        """The service's credential for the `httpx` client of an SDK, for this call: `ServiceAuth`."""
        return ServiceAuth(self._endpoint, self._access, self.presented)

    async def get(
        self,
        *segments: str | int,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ServiceResponse:
        """GET of the service's URL, followed by path `segments`."""
        return await self.request("GET", *segments, params=params, headers=headers)

    async def post(
        self,
        *segments: str | int,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ServiceResponse:
        """POST of a JSON body to the service's URL, followed by path `segments`."""
        return await self.request("POST", *segments, params=params, json=json, headers=headers)

    async def request(
        self,
        method: str,
        *segments: str | int,
        params: Mapping[str, str | int] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ServiceResponse:
        """Any other method, or body: `form`, and `files` by its fields, each a name and bytes. `headers` are
        further ones: `Idempotency-Key`, `If-Match`, `If-None-Match`, and those whose names begin with `x-`,
        such as `x-acs-action`.

        A header that carries the credential is replaced by it.
        """
        if any(not name.lower().startswith(_FURTHER) for name in headers or ()):
            raise self._endpoint.error(f"accepts further headers only if their names begin with {_FURTHER}")
        url = self._url(segments, params)
        body: dict[str, Any] = {"json": json, "data": form, "files": files}
        request = self._http.build_request(method, url, **body, headers=dict(headers or {}))
        if self._access is None:
            status, text, shown, content = await self._send(request, None)
        else:
            status, text, shown, content = await send_with_credential(
                self._access, partial(self._send, request), lambda response: response[0] in (401, 403)
            )
        if 200 <= status < 300:
            return ServiceResponse(status, text, shown, content)
        raise self._refusal(status, text)

    def _url(self, segments: tuple[str | int, ...], params: Mapping[str, str | int] | None) -> httpx.URL:
        parts = [str(segment) for segment in segments]
        if any(part in ("", ".", "..") for part in parts):
            raise self._endpoint.error('accepts no path segment that is empty, "." or ".."')
        url = httpx.URL(self._endpoint.url)
        if parts:
            path, _, query = url.raw_path.decode().partition("?")
            below = "/".join([path.rstrip("/"), *(quote(part, safe="") for part in parts)])
            url = url.copy_with(raw_path=(f"{below}?{query}" if query else below).encode())
        return url.copy_merge_params(params) if params else url

    async def _send(self, request: httpx.Request, credential: Credential | None) -> _Sent:
        """Status, text and headers. Raises `ServiceError` if there is no usable response."""
        presented = () if credential is None else credential.secrets
        self.presented.extend(presented)
        if credential is not None:
            try:
                self._endpoint.placement.attach(request, credential.secret)
            except ValueError as error:
                raise self._endpoint.unusable(str(error)) from None
        span = client_span(request, Receiver.SERVICES)
        try:
            response = await self._http.send(request, stream=True)
            responded(span, response.status_code)
            try:
                (limit_body if response.is_success else truncate_body)(response, self._endpoint.max_bytes)
                text = decode_utf8(content := await response.aread())
            finally:
                await response.aclose()
        except (ResponseTooLargeError, EncodedResponseError) as error:
            detail = str(error)
        except httpx.TimeoutException:
            detail = "no response within the timeout"
            span.fail(OTHER)
        except httpx.HTTPError:
            detail = "the connection failed"
            span.fail(OTHER)
        else:
            if response.is_success and (fault := _response_fault(response, text)):
                raise self._endpoint.unusable(fault)
            headers = {name: value for name, value in response.headers.items() if name.startswith(_SHOWN)}
            text = model_text(text, presented, self._endpoint.max_bytes)
            return response.status_code, text, redact(headers, presented), content
        finally:
            span.end()
        raise self._endpoint.unusable(detail)

    def _refusal(self, status: int, text: str) -> ServiceError:
        if 300 <= status < 400:
            return self._endpoint.error("redirects, and redirects are not followed", status=status)
        # Function Compute's HTTP trigger, with the code of its JWT authentication in the body.
        if status == 403 and '"JWTToken' in text:
            return ServiceError(
                ToolCode.ENTERPRISE_JWT_REJECTED,
                f'the trigger of "{self._endpoint.service}" refused the token',
                status=status,
            )
        return self._endpoint.error(f"responded with status {status}", status=status, body=text)


class ServiceAuth(httpx.Auth):
    """Attaches the service's credential to requests that an SDK sends by its own `httpx` client, in one call.

    Only to the service's URL and below it: a request to another one raises `ServiceError` and is not sent.
    After a 401 or 403 the credential is renewed and the request sent once more. For asynchronous clients.
    Not checked: where a client that follows redirects sends what was attached. Do not let it.
    """

    def __init__(self, endpoint: Endpoint, access: Access | None, presented: list[Secret]) -> None:
        self._endpoint = endpoint
        self._access = access
        self._presented = presented

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """See `httpx.Auth`. Raises the identity layer's errors, too."""
        credential = await self._attached(request, None)
        response = yield request
        if response.status_code in (401, 403) and credential is not None:
            fresh = await self._attached(request, credential)
            if fresh is not credential:
                yield request

    async def _attached(self, request: httpx.Request, refused: Credential | None) -> Credential | None:
        """The credential that `request` carries now, in place of the one that was `refused`."""
        base = httpx.URL(self._endpoint.url)
        below = request.url.path == base.path or request.url.path.startswith(f"{base.path.rstrip('/')}/")
        origins = [(each.scheme, each.host, each.port) for each in (base, request.url)]
        if origins[0] != origins[1] or not below or ".." in request.url.path.split("/"):
            raise self._endpoint.error("has a credential for its own URL only")
        if self._access is None:
            return None
        credential = await (self._access.renew(refused) if refused else self._access.credential())
        try:
            self._endpoint.placement.attach(request, credential.secret)
        except ValueError as error:
            raise self._endpoint.unusable(str(error)) from None
        self._presented.extend(credential.secrets)
        return credential


def _response_fault(response: httpx.Response, text: str) -> str | None:
    """Why this is not a complete response of the service, and must not become a result."""
    kind = media_type(response.headers.get("content-type"))
    body = text.lstrip()
    # The type alone is not enough: web frameworks send plain text as HTML by default.
    if kind == "text/html" and body[:14].lower().startswith(("<!doctype html", "<html")):
        return "a web page, such as a gateway's sign-in page, came instead of the response"
    if body and (kind == "application/json" or kind.endswith("+json")):
        try:
            read_json(body)
        except ValueError:
            return "the response is declared as JSON and is not valid JSON"
    return None
