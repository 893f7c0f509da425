"""The HTTP client of a tool: it sends requests to one service and attaches the credential."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, Unpack
from urllib.parse import quote

import httpx

from identity.credentials.requirement import Credential
from identity.errors import ServiceError
from identity.observation.traceparent import Receiver
from identity.principal import Caller
from identity.secrets.redaction import Redactor, redact
from identity.secrets.secret import Secret
from identity.transport.body import decode_utf8, limit_body, media_type, truncate_body
from identity.transport.bounded_response import client_span, responded
from identity.transport.json_size import read_json
from tools.error_codes import ToolCode
from tools.http_service.credential_flow import CredentialFlow
from tools.http_service.endpoint import Endpoint
from tools.result import model_text
from tools.service import Access

_FURTHER: Final = ("x-", "idempotency-key", "if-match", "if-none-match", "content-type")
_SHOWN: Final = ("x-", "etag", "location", "retry-after", "content-type")


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


class RequestOptions(TypedDict, total=False):
    """Beside the path: the query, further headers, and one body: `form` and `files` are by field."""

    params: Mapping[str, str | int] | None
    headers: Mapping[str, str] | None
    """`Content-Type`, `Idempotency-Key`, `If-Match`, `If-None-Match`, and names that begin with `x-`."""
    json: object
    form: Mapping[str, str] | None
    files: Mapping[str, tuple[str, bytes]] | None
    content: bytes | AsyncIterable[bytes] | None
    """The body as it is. A stream is read while it is sent: in chunks, once, within the entry's limit."""


_OPTIONS: Final = frozenset(RequestOptions.__annotations__)


class ResponseStream:
    """A response with a status of 2xx, whose body is read while it arrives; it ends with the block.

    Reading raises `ServiceError` after the bytes that the service's entry allows, and if the connection
    fails. Not checked: whether the body is what its `content-type` says.
    """

    def __init__(self, response: httpx.Response, endpoint: Endpoint, presented: Sequence[Secret]) -> None:
        self._response = response
        self._endpoint = endpoint
        self._presented = presented
        self.status: Final = response.status_code
        headers = {name: value for name, value in response.headers.items() if name.startswith(_SHOWN)}
        self.headers: Final[Mapping[str, str]] = redact(headers, presented)
        """As in `ServiceResponse`."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they come. Only once."""
        with self._endpoint.faults():
            async for chunk in self._response.aiter_bytes():
                yield chunk

    async def lines(self) -> AsyncIterator[str]:
        """The lines as they come, without their ends and the credential. Only once."""
        rest = bytearray()
        async for chunk in self.chunks():
            rest += chunk
            *lines, rest = rest.split(b"\n") if b"\n" in chunk else [rest]
            for line in lines:
                yield self._text(line)
        if rest:
            yield self._text(rest)

    async def whole(self) -> ServiceResponse:
        """The complete response, which must be JSON if it is declared so, and no web page."""
        content = b"".join([chunk async for chunk in self.chunks()])
        text = decode_utf8(content)
        if fault := _response_fault(self._response, text):
            raise self._endpoint.unusable(fault)
        text = model_text(text, self._presented, self._endpoint.max_bytes)
        return ServiceResponse(self.status, text, self.headers, content)

    def _text(self, line: bytearray) -> str:
        return str(redact(decode_utf8(line.removesuffix(b"\r")), self._presented))


class ServiceClient(httpx.Auth):
    """Sends requests to the service's URL and below it, for one call of a tool.

    The credential is attached to every request and sent to no other URL: redirects are not followed, and path
    segments are encoded, because the model chooses arguments. After a 401 or 403 the credential is renewed
    and the request sent once more, unless the credential is too new to be renewed or the body is a stream.
    `ServiceError` is raised for any other failure, a second refusal, a web page instead of a response, and
    invalid JSON. From its `status` and `body` a tool can make a result of, for example, a 404; if it does not
    catch the error, the call fails.
    """

    def __init__(self, http: httpx.AsyncClient, endpoint: Endpoint, access: Access) -> None:
        self._http = http
        self._endpoint = endpoint
        self._access = access
        self._flow = CredentialFlow(endpoint, access)
        self.caller: Final[Caller | None] = access.caller
        """For whom the call is made; `None` outside of a run."""
        self.presented: Final[list[Secret]] = self._flow.presented
        """The secrets that were attached in this call."""

    async def get(self, *segments: str | int, **options: Unpack[RequestOptions]) -> ServiceResponse:
        """GET of the service's URL, followed by path `segments`."""
        return await self.request("GET", *segments, **options)

    async def post(self, *segments: str | int, **options: Unpack[RequestOptions]) -> ServiceResponse:
        """POST to the service's URL, followed by path `segments`."""
        return await self.request("POST", *segments, **options)

    async def request(
        self, method: str, *segments: str | int, **options: Unpack[RequestOptions]
    ) -> ServiceResponse:
        """Any other method. A header that carries the credential is replaced by it."""
        async with self.stream(method, *segments, **options) as response:
            return await response.whole()

    async def credential(self, refused: Credential | None = None) -> Credential:
        """The credential as a value, for an SDK that authenticates by itself; each taking is on record. In
        place of one that the service `refused`, a renewed one, unless that was too new.

        Raises `ServiceError` unless the service's entry has `lends_credential = true`, and the identity
        layer's errors. Not checked: where the SDK sends it.
        """
        if not self._endpoint.lends:
            raise self._endpoint.error("lends its credential only with lends_credential = true in its entry")
        if refused is not None:
            await self._access.renew(refused)
        lent = await self._access.lent()
        self.presented.extend(lent.secrets)
        return lent

    @asynccontextmanager
    async def stream(
        self, method: str, *segments: str | int, **options: Unpack[RequestOptions]
    ) -> AsyncIterator[ResponseStream]:
        """As `request`, without waiting for the body: `async with http.stream("GET", "log") as response`,
        then `async for line in response.lines()`.
        """
        if unknown := sorted(options.keys() - _OPTIONS):
            known = ", ".join(sorted(_OPTIONS))
            raise TypeError(f'a request has no option "{unknown[0]}"; there are {known}')
        headers = options.get("headers") or {}
        if any(not name.lower().startswith(_FURTHER) for name in headers):
            raise self._endpoint.error(f"accepts further headers only if their names begin with {_FURTHER}")
        body: dict[str, Any] = {name: options.get(name) for name in ("json", "files", "content")}
        if sent_once := isinstance(body["content"], AsyncIterable):
            body["content"] = self._bounded(body["content"])
        url = self._url(segments, options.get("params"))
        request = self._http.build_request(method, url, data=options.get("form"), headers=headers, **body)
        async with aclosing(self._flow.requests(request)) as flow:
            response = await self._send(await anext(flow))
            with suppress(StopAsyncIteration):
                response = await self._send(await flow.asend(response))
        async with aclosing(response):
            if not response.is_success:
                raise self._refusal(response, sent_once=sent_once)
            with self._endpoint.faults():
                limit_body(response, self._endpoint.max_bytes)
            yield ResponseStream(response, self._endpoint, self.presented)

    def _url(self, segments: tuple[str | int, ...], params: Mapping[str, str | int] | None) -> httpx.URL:
        parts = [str(segment) for segment in segments]
        if any(part in ("", ".", "..") for part in parts):
            raise self._endpoint.error('accepts no path segment that is empty, "." or ".."')
        address, mark, query = self._endpoint.url.partition("?")
        if parts:
            address = "/".join([address.rstrip("/"), *(quote(part, safe="") for part in parts)])
        url = httpx.URL(f"{address}{mark}{query}")
        return url.copy_merge_params(params) if params else url

    async def _bounded(self, content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Raises errors of `content` in a group: the transport takes an `OSError` for its connection's."""
        most = self._endpoint.max_request_bytes
        sent = 0
        try:
            async for piece in content:
                sent += len(piece)
                if sent > most:
                    raise self._endpoint.error(f"is sent at most {most} bytes of a stream")  # noqa: TRY301 - like others
                yield piece
        except Exception as error:  # noqa: BLE001 - the tool's iterator raises anything
            raise ExceptionGroup("the body of a request", [error]) from None

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """A response, whose body is not read yet if its status is 2xx. Raises `ServiceError`."""
        with client_span(request, Receiver.SERVICES) as span, self._endpoint.faults():
            response = await self._http.send(request, stream=True)
            responded(span, response.status_code)
            if not response.is_success:
                async with aclosing(response):
                    truncate_body(response, self._endpoint.max_bytes)
                    await response.aread()
        return response

    def _refusal(self, response: httpx.Response, *, sent_once: bool) -> ServiceError:
        status = response.status_code
        text = decode_utf8(response.content)
        limit = self._endpoint.max_bytes
        if len(response.content) == limit:
            text = Redactor(self.presented).redact_cut_off(text)
        text = model_text(text, self.presented, limit)
        if 300 <= status < 400:
            return self._endpoint.error("redirects, and redirects are not followed", status=status)
        # Function Compute's HTTP trigger, with the code of its JWT authentication in the body.
        if status == 403 and '"JWTToken' in text:
            detail = f'the trigger of "{self._endpoint.service}" refused the token'
            return ServiceError(ToolCode.ENTERPRISE_JWT_REJECTED, detail, status=status)
        reason = ", and a stream is sent once" if sent_once and status in (401, 403) else ""
        return self._endpoint.error(f"responded with status {status}{reason}", status=status, body=text)

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """For the `httpx.AsyncClient` of an SDK, in this call: see `CredentialFlow.of_foreign_client`."""
        return self._flow.of_foreign_client(request)


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
