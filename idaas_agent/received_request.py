"""Requests that a stand-in of a service received: `idaas_agent.testing` has their names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class RequestPart:
    """A part of a `multipart/form-data` body. `filename` is `None` of a field that is no file."""

    name: str
    filename: str | None
    content_type: str
    content: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The content as UTF-8; what is none is replaced."""
        return self.content.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A request that a tool sent. `path` is below the service's URL, and decoded; `body` is its JSON, or its
    text if it is no JSON. `content` are the bytes, and `parts` those of a `multipart/form-data` body.

    `credential` is the secret that it carried: `token-1`, and `token-2` after the service refused that.
    `acts_for` is the id of the user whose rights that has, `None` for the agent's own; `permission` that of
    an access token.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str] = field(repr=False)
    credential: str = field(repr=False)
    acts_for: str | None
    permission: str
    content: bytes = field(default=b"", repr=False)
    parts: tuple[RequestPart, ...] = ()


def body_of(request: httpx.Request) -> Any:  # noqa: ANN401 - any JSON
    """The JSON or text of its body; `None` if there is none."""
    text = request.content.decode(errors="replace")
    return json.loads(text) if "json" in request.headers.get("content-type", "") else text or None


def parts_of(request: httpx.Request) -> tuple[RequestPart, ...]:
    """The parts of a `multipart/form-data` body, in order (RFC 7578)."""
    content_type = _header("Content-Type", request.headers.get("content-type", ""))
    boundary = content_type.get_boundary()
    if content_type.get_content_type() != "multipart/form-data" or not boundary:
        return ()
    _, *parts = (b"\r\n" + request.content).split(b"\r\n--" + boundary.encode())
    return tuple(_part(part) for part in parts if not part.startswith(b"--"))


def _part(text: bytes) -> RequestPart:
    """The part that begins after its boundary."""
    head, _, content = text.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = message_from_bytes(head, policy=policy.HTTP)
    return RequestPart(
        name=str(headers.get_param("name", "", "content-disposition")),
        filename=headers.get_filename(),
        content_type=headers.get_content_type(),
        content=content,
    )


def _header(name: str, value: str) -> EmailMessage:
    message = EmailMessage(policy.HTTP)
    message[name] = value
    return message
