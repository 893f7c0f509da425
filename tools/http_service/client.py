"""What a tool function is given to call its service with: an HTTP client that signs its calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from identity.credentials import credential_auth
from identity.credentials.credential import Credential
from identity.credentials.placement import BEARER, Placement
from identity.error_code import ErrorCode
from identity.errors import ServiceError
from identity.transport.body import (
    EncodedResponseError,
    ResponseTooLargeError,
    decode_utf8,
    limit_body,
    truncate_body,
)
from identity.transport.json_size import read_json
from identity.transport.media_type import media_type
from tools.error_codes import ToolCode
from tools.result import presentable
from tools.service import Access


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """A service's answer with a status of 2xx, without the credential if the service echoed it."""

    status: int
    text: str

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The text parsed as JSON. Raises `ValueError`."""
        return read_json(self.text)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is, and how its failures are called."""

    service: str
    url: str
    error_code: ErrorCode
    max_bytes: int
    settings: tuple[str, ...] = ()
    placement: Placement = BEARER

    def error(self, detail: str, *, status: int | None = None, body: str = "") -> ServiceError:
        """A failure of the service under its own code."""
        return ServiceError(
            self.error_code, f'"{self.service}" {detail}', status=status, body=body, settings=self.settings
        )

    def unusable(self, detail: str) -> ServiceError:
        """A failure to get a response, or a usable one."""
        return self.error(f"gave no usable response: {detail}")


class ServiceClient:
    """Sends requests to the service's URL and below it, for one call of a tool.

    The credential is attached to every request and goes nowhere else: redirects are not followed, and path
    segments are encoded, so that an argument which the model chose cannot lead to another place. After a
    401 or 403 the credential is renewed and the request sent once more, unless the credential is so young
    that nothing was renewed. Any other failure, a second refusal, a web page in place of an answer, and JSON
    that is none raise `ServiceError`. Its `status` and `body` let a tool make a result of the service's own
    404 or 409; what the tool does not catch is a failure.
    """

    def __init__(self, http: httpx.AsyncClient, address: Address, access: Access | None) -> None:
        self._http = http
        self._address = address
        self._access = access

    async def get(self, *segments: str | int, params: Mapping[str, str | int] | None = None) -> ServiceAnswer:
        """GET of the service's URL, followed by path `segments`."""
        return await self.request("GET", *segments, params=params)

    async def post(
        self,
        *segments: str | int,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
    ) -> ServiceAnswer:
        """POST of a JSON body to the service's URL, followed by path `segments`."""
        return await self.request("POST", *segments, params=params, json=json)

    async def request(
        self,
        method: str,
        *segments: str | int,
        params: Mapping[str, str | int] | None = None,
        json: object = None,
    ) -> ServiceAnswer:
        """Any other method."""
        request = self._http.build_request(method, self._url(segments, params), json=json)
        if self._access is None:
            status, text = await self._send(request, None)
        else:
            status, text = await credential_auth.send_with_credential(
                self._access, partial(self._send, request), lambda response: response[0] in (401, 403)
            )
        if 200 <= status < 300:
            return ServiceAnswer(status, text)
        raise self._refusal(status, text)

    def _url(self, segments: tuple[str | int, ...], params: Mapping[str, str | int] | None) -> httpx.URL:
        parts = [str(segment) for segment in segments]
        if any(part in ("", ".", "..") for part in parts):
            raise self._address.error('takes no path segment that is empty, "." or ".."')
        url = httpx.URL(self._address.url)
        if parts:
            path, _, query = url.raw_path.decode().partition("?")
            below = "/".join([path.rstrip("/"), *(quote(part, safe="") for part in parts)])
            url = url.copy_with(raw_path=(f"{below}?{query}" if query else below).encode())
        return url.copy_merge_params(params) if params else url

    async def _send(self, request: httpx.Request, credential: Credential | None) -> tuple[int, str]:
        """Status and text. Raises `ServiceError` if there is no usable answer."""
        presented = () if credential is None else (credential.secret,)
        if credential is not None:
            try:
                self._address.placement.attach(request, credential.secret)
            except ValueError as error:
                raise self._address.unusable(str(error)) from None
        try:
            response = await self._http.send(request, stream=True)
            try:
                (limit_body if response.is_success else truncate_body)(response, self._address.max_bytes)
                text = decode_utf8(await response.aread())
            finally:
                await response.aclose()
        except (ResponseTooLargeError, EncodedResponseError) as error:
            detail = str(error)
        except httpx.TimeoutException:
            detail = "no answer in time"
        except httpx.HTTPError:
            detail = "the connection failed"
        else:
            if response.is_success and (fault := _fault_of(response, text)):
                raise self._address.unusable(fault)
            return response.status_code, presentable(text, presented, self._address.max_bytes)
        raise self._address.unusable(detail)

    def _refusal(self, status: int, text: str) -> ServiceError:
        if 300 <= status < 400:
            return self._address.error("redirects, which is not followed", status=status)
        # Function Compute's HTTP trigger, with the code of its JWT authentication in the body.
        if status == 403 and '"JWTToken' in text:
            return ServiceError(
                ToolCode.ENTERPRISE_JWT_REJECTED,
                f'the trigger of "{self._address.service}" refused the token',
                status=status,
            )
        return self._address.error(f"answered with status {status}", status=status, body=text)


def _fault_of(response: httpx.Response, text: str) -> str | None:
    """Why this cannot be the service's own answer, whole, and must not be told to the model as if it were."""
    kind = media_type(response.headers.get("content-type"))
    body = text.lstrip()
    # The type alone says little: a web framework's default for a plain text is HTML, too.
    if kind == "text/html" and body[:14].lower().startswith(("<!doctype html", "<html")):
        return "a web page, as of a gateway's sign-in, came in place of an answer"
    if body and (kind == "application/json" or kind.endswith("+json")):
        try:
            read_json(body)
        except ValueError:
            return "the answer is not the JSON that it is said to be"
    return None
