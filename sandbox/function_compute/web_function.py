"""The shared parts of the functions behind the trigger: the caller, what is required of it, the JSON body."""

import json
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.function_compute.http_trigger import REQUEST_ID_HEADER, claim_header
from sandbox.oauth_error import read_body
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT

AGENTS = frozenset({AGENT})
_MAX_BODY = 1_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    """`client` is the application, if the token names it; `actor` comes from an `act` claim, if any."""

    subject: str
    audiences: tuple[str, ...]
    permissions: tuple[str, ...]
    client: str | None
    actor: str | None
    access_identity: Literal["Machine", "Human"]


def read_caller(headers: Headers, agents: Set[str]) -> Caller:
    """The caller that the trigger has verified. Machine if the subject is one of `agents`, else Human.

    A machine token's `sub` is the client id, or `<client id>:<subject urn>`; no other sign is documented.
    """
    subject = headers.get(claim_header("sub"), "")
    first = subject.partition(":")[0]
    machine = first in agents
    return Caller(
        subject=subject,
        audiences=_words(headers.get(claim_header("aud"), ""), separator=None),
        permissions=_words(headers.get(claim_header("scope"), ""), separator=" "),
        client=headers.get(claim_header("client_id"))
        or headers.get(claim_header("azp"))
        or (first if machine else None),
        actor=_actor(headers.get(claim_header("act"))),
        access_identity="Machine" if machine else "Human",
    )


def _words(text: str, separator: str | None) -> tuple[str, ...]:
    """A claim that is a string (cut at `separator`, if any) or an array of strings."""
    if text.startswith("["):
        try:
            return tuple(str(item) for item in json.loads(text))
        except ValueError:
            return ()
    return tuple(text.split(separator)) if separator else ((text,) if text else ())


def _actor(text: str | None) -> str | None:
    try:
        actor = json.loads(text) if text else None
    except ValueError:
        return None
    return str(actor["sub"]) if isinstance(actor, dict) and "sub" in actor else None


class RefusedError(Exception):
    """The function does not do it: an HTTP status, a code for programs, and what was expected and found."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Requirement:
    """The audience and one of the permissions that a token must have; `person`: not an agent's own."""

    audience: str
    permissions: tuple[str, ...]
    person: bool = False

    def check(self, caller: Caller) -> None:
        """Raises `RefusedError` with status 403."""
        if self.audience not in caller.audiences:
            found = ", ".join(caller.audiences)
            text = f'claim "aud" must contain "{self.audience}", found "{found}"'
            raise RefusedError(403, "invalid_audience", text)
        if not set(self.permissions) & set(caller.permissions):
            expected, found = '" or "'.join(self.permissions), " ".join(caller.permissions)
            text = f'claim "scope" must contain "{expected}", found "{found}"'
            raise RefusedError(403, "insufficient_scope", text)
        if self.person and caller.access_identity != "Human":
            text = f'a person must call, found the agent "{caller.subject}"'
            raise RefusedError(403, "person_required", text)


WebFunction = Callable[[Request], Awaitable[Response]]
Operation = Callable[[Request, Caller], Awaitable[Mapping[str, Any]]]


def web_function(
    cloud: Cloud, name: str, requirement: Requirement, operation: Operation, status: int = 200
) -> WebFunction:
    """`operation` for callers who meet the requirement; its result as JSON, with the request's id.

    A `RefusedError` becomes a response of its status. Counted is `function_compute:<name>`.
    """

    async def respond(request: Request) -> Response:
        cloud.counters.count("function_compute", name)
        caller = read_caller(request.headers, AGENTS)
        request_id = request.headers.get(REQUEST_ID_HEADER)
        try:
            requirement.check(caller)
            content = await operation(request, caller)
        except RefusedError as error:
            refusal = {"error": error.code, "message": str(error), "request_id": request_id}
            return JSONResponse(refusal, error.status)
        return JSONResponse({**content, "request_id": request_id}, status)

    return respond


async def whole_body(request: Request) -> bytes:
    """The body. Raises `RefusedError` for more than 1 MB."""
    if (body := await read_body(request, _MAX_BODY)) is None:
        raise RefusedError(413, "too_large", "the body must not exceed 1 MB")
    return body


async def json_object(request: Request) -> Mapping[str, Any]:
    """The body; an empty one is an empty object. Raises `RefusedError`."""
    try:
        content = json.loads(await whole_body(request) or b"{}")
    except ValueError:
        raise RefusedError(400, "invalid_request", "the body must be JSON") from None
    if not isinstance(content, dict):
        raise RefusedError(400, "invalid_request", "the body must be an object")
    return content


def now(cloud: Cloud) -> datetime:
    """The time of the sandbox, in UTC."""
    return datetime.fromtimestamp(cloud.clock(), UTC)
