"""One message to an MCP server over HTTP: one POST with exactly one outcome, which no other request shares.

Both versions of the protocol use it. A failure is an `MCPRequestError`, which never contains the server's
text, or the request.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from itertools import count
from typing import Any, Final

import httpx
from pydantic_core import to_json

from identity.credentials.placement import BEARER, Placement
from identity.credentials.signed_request import SignedRequest
from identity.observation.attribute import Attribute
from identity.observation.span import CURRENT_SPAN
from identity.observation.traceparent import HEADER, Receiver
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from identity.transport.body import (
    EncodedResponseError,
    ResponseTooLargeError,
    decode_utf8,
    limit_body,
    media_type,
)
from identity.transport.bounded_response import client_span, responded
from identity.transport.connection_failure import connection_failure
from identity.transport.json_size import read_json
from identity.transport.server_sent_events import events

_ACCEPTED: Final = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
_INSUFFICIENT: Final = re.compile(r'error="?insufficient_scope\b')
_SCOPE: Final = re.compile(r'\bscope="([\x21\x23-\x5b\x5d-\x7e][\x20\x21\x23-\x5b\x5d-\x7e]{0,199})"')
"""Parts of a challenge that names the missing scope (RFC 6750, section 3)."""
_METADATA: Final = "/.well-known/oauth-protected-resource"
MALFORMED: Final = "the response does not follow the MCP protocol"
CUT_OFF: Final = "the response was cut off or has an unexpected media type"


@dataclass(eq=False)
class MCPRequestError(Exception):
    """A request has no usable response. `status` is the HTTP status, if there was a response.

    `timed_out` is true if the server used all the time that it had. `final` is true of a refusal that a new
    credential would not change. `missing` is the scope that the server wants, and the credential lacks.
    `detail` contains no other text of the server, which may contain anything. `of_call` is true if one tool
    call failed, in a session that remains usable.
    """

    detail: str = ""
    status: int | None = None
    _: KW_ONLY
    timed_out: bool = False
    final: bool = False
    missing: str = ""
    of_call: bool = False

    def __post_init__(self) -> None:
        lacks = f': the credential lacks "{self.missing}"' if self.missing else ""
        self.detail = self.detail or f"status {self.status}{lacks}"
        super().__init__(self.detail)

    @property
    def is_credential_refused(self) -> bool:
        """Whether the server does not accept the credential."""
        return self.status in (401, 403)


UNDELIVERED: Final = (TimeoutError, RuntimeError, MCPRequestError)
"""Why a message did not arrive. `RuntimeError`: the HTTP client is closed."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Requests to `url`. `max_bytes` bounds each response; the caller bounds the time."""

    http: httpx.AsyncClient
    url: str
    _: KW_ONLY
    max_bytes: int
    placement: Placement | SignedRequest = BEARER
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def message(self, method: str, params: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
        """A request of JSON-RPC, with an id of its own. `_meta` has `meta`, and the context of the trace."""
        if (context := CURRENT_SPAN.get().traceparent(Receiver.MCP)) is not None:
            meta = {**meta, HEADER: context}
        params = {**params, "_meta": dict(meta)} if meta else params
        return {"id": next(self.numbers), "method": method, "params": params}

    async def metadata(self) -> Mapping[str, Any] | None:
        """The metadata of the protected resource at the URL (RFC 9728, section 3.1), or of its origin; `None`
        if there is none. Raises `MCPRequestError`.
        """
        url = httpx.URL(self.url)
        try:
            for path in (f"{_METADATA}{url.path.rstrip('/')}", _METADATA):
                async with self.http.stream("GET", url.copy_with(path=path, query=None)) as response:
                    if response.status_code == 200:
                        limit_body(response, self.max_bytes)
                        metadata = read_json(decode_utf8(await response.aread()))
                        return metadata if isinstance(metadata, dict) else {}
        except (httpx.HTTPError, ResponseTooLargeError, EncodedResponseError, ValueError):
            raise MCPRequestError("the metadata of the resource cannot be read") from None
        return None

    @asynccontextmanager
    async def request(
        self, secret: Secret, headers: Mapping[str, str], message: Mapping[str, Any] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The response to `message`, whatever its status; without one, to DELETE, which ends a session. The
        connection closes with the block.

        Raises `MCPRequestError`, also in place of a `ValueError` and of what `messages` raises in the block.
        """
        headers = {**_ACCEPTED, **headers}
        if message is None:
            request = self.http.build_request("DELETE", self.url, headers=headers)
        else:
            content = to_json({"jsonrpc": "2.0", **message})
            request = self.http.build_request("POST", self.url, content=content, headers=headers)
        try:
            self.placement.attach(request, secret)
        except ValueError as error:
            raise MCPRequestError(str(error)) from None
        method = None if message is None else message.get("method")
        timed_out = False
        try:
            with client_span(request, Receiver.MCP) as span:
                span.set(Attribute.MCP_METHOD, method)
                response = await self.http.send(request, stream=True)
                responded(span, response.status_code)
                async with aclosing(response):
                    yield response
        except (ResponseTooLargeError, EncodedResponseError) as error:
            detail = str(error)
        except httpx.TimeoutException:
            detail = "no response within the timeout of the connection"
            timed_out = True
        except httpx.HTTPError as error:
            detail = connection_failure(error)
        except ValueError:
            detail = MALFORMED
        else:
            return
        raise MCPRequestError(detail, timed_out=timed_out)

    async def messages(self, response: httpx.Response) -> AsyncIterator[Any]:
        """The messages in a response, JSON or a stream of events; none of another media type.

        Raises `ValueError` for text that is not JSON or beyond the bounds, and what `limit_body` does.
        """
        kind = media_type(response.headers.get("content-type"))
        limit_body(response, self.max_bytes)
        if kind == "application/json":
            yield read_json(decode_utf8(await response.aread()))
        elif kind == "text/event-stream":
            async for event in events(response.aiter_bytes(), self.max_bytes):
                if event.kind == "message" and event.data:
                    yield read_json(event.data)


def refusal(response: httpx.Response, secret: Secret, *, may_renew: bool) -> MCPRequestError:
    """The failure of a response that is not used. After a 403 a new credential helps only if it `may_renew`,
    and not if the response names the scope that is missing.
    """
    status = response.status_code
    challenge = response.headers.get("www-authenticate", "")
    missing = ""
    if status == 403 and _INSUFFICIENT.search(challenge) and (scope := _SCOPE.search(challenge)):
        missing = redact(scope[1], [secret])
    final = status == 403 and (bool(missing) or not may_renew)
    return MCPRequestError(status=status, missing=missing, final=final)


def response_to(number: int, message: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - any JSON value
    """`message`, if it is the response to the request `number`: it has an object `result`, or an `error`.

    Raises `ValueError` if it is malformed.
    """
    if not isinstance(message, dict) or "method" in message:
        return None
    identifier = message.get("id")
    if type(identifier) is not int or identifier != number:
        return None
    answer = message.get("result") if "error" not in message else protocol_error(message)
    if message.get("jsonrpc") != "2.0" or not isinstance(answer, dict):
        raise ValueError("not a JSON-RPC response")
    return message


def is_list_changed(message: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether the server says that its list of tools has changed."""
    return isinstance(message, dict) and message.get("method") == "notifications/tools/list_changed"


def protocol_error(message: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - any JSON value
    """The JSON-RPC error in `message`, with `code` and `message`."""
    error = message.get("error") if isinstance(message, dict) else None
    valid = (
        isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)
    )
    return error if valid else None
