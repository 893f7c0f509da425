"""Fills the URLs of consents into what LangGraph Server responds, for the users who give the consents.

The server stores interrupts and sends them to every reader of a thread, so they contain a reference in place
of the URL (`graph.approvals.consent_urls`). Here each reference to an open approval of the caller is replaced
by the URL, and every other one by nothing. So the URL is in no checkpoint, row or queue of the server.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.api.langgraph.admitted_request import ADMITTED
from agent.api.langgraph.server_agent import agent_of_this_loop
from graph.approvals.consent_urls import url_reference
from graph.approvals.record import ApprovalStatus, PendingApproval
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError
from identity.secrets.secret import Secret

UrlsOf: TypeAlias = Callable[[Collection[str], VerifiedAccessToken], Awaitable[Mapping[str, Secret]]]
"""The URLs of approvals by their ids, for a caller, without those that have none, or that are not theirs."""

_MOST: Final = 500
"""References that are looked up at once. An id is unguessable, but a message of the user may have any."""

_MARK: Final = url_reference("").encode()
_REFERENCE: Final = re.compile(re.escape(_MARK) + rb"([0-9a-f]{32})")
_BEGUN: Final = re.compile(re.escape(_MARK) + rb"[0-9a-f]{0,31}")


async def urls_of(approval_ids: Collection[str], caller: VerifiedAccessToken) -> Mapping[str, Secret]:
    """See `UrlsOf`. There are none while IDaaS or the approvals cannot be read."""
    agent = await agent_of_this_loop()
    urls: dict[str, Secret] = {}
    try:
        states = await agent.kept.approvals.find(approval_ids, caller.principal) if agent.kept else ()
        for state in states:
            if state.status_at(time.time()) is ApprovalStatus.OPEN:
                pending = await agent.consent_urls.shown(PendingApproval(state.request, {}), caller)
                if pending.url is not None:
                    urls[state.request.id] = pending.url
    except AgentError:
        pass
    return urls


class ConsentUrlInjector:
    """A pure ASGI middleware, inside of the route guard, which verifies the caller."""

    def __init__(self, app: ASGIApp, *, urls_of: UrlsOf = urls_of) -> None:
        self._app = app
        self._urls_of = urls_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes every request on, and fills its response."""
        if (admitted := ADMITTED.get()) is None:
            await self._app(scope, receive, send)
            return
        caller = admitted.caller
        # A compressed response could not be read.
        headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        response = _FilledResponse(send, lambda approval_ids: self._urls_of(approval_ids, caller))
        await self._app({**scope, "headers": headers}, receive, response.send)


@dataclass(eq=False, slots=True)
class _FilledResponse:
    """A response with a known length is filled when it is whole, any other piece by piece.

    A reference is looked up once, all new ones of a piece together: it is there after its approval.
    """

    _send: Send
    _urls_of: Callable[[Collection[str]], Awaitable[Mapping[str, Secret]]]
    _known: dict[bytes, bytes] = field(init=False, default_factory=dict)
    _start: Message | None = field(init=False, default=None)
    _held: bytes = field(init=False, default=b"")

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _length(message) is not None:
            self._start = message
        elif message["type"] == "http.response.body":
            await self._body(message.get("body", b""), more=message.get("more_body", False))
        else:
            await self._send(message)

    async def _body(self, piece: bytes, *, more: bool) -> None:
        self._held += piece
        if more and self._start is not None:
            return
        end = _begun(self._held) if more else len(self._held)
        ready = self._held[:end]
        self._held = self._held[end:]
        filled = await self._filled(ready)
        if self._start is not None:
            if filled != ready:
                others = [
                    header for header in self._start["headers"] if header[0].lower() != b"content-length"
                ]
                self._start["headers"] = [*others, (b"content-length", b"%d" % len(filled))]
            await self._send(self._start)
            self._start = None
        await self._send({"type": "http.response.body", "body": filled, "more_body": more})

    async def _filled(self, body: bytes) -> bytes:
        references = dict.fromkeys(_REFERENCE.findall(body))
        if new := [reference for reference in references if reference not in self._known][:_MOST]:
            if len(self._known) > _MOST:
                self._known = {reference: url for reference, url in self._known.items() if url}
            urls = await self._urls_of([reference.decode("ascii") for reference in new])
            in_json = {
                name.encode("ascii"): json.dumps(url.reveal())[1:-1].encode() for name, url in urls.items()
            }
            self._known |= dict.fromkeys(new, b"") | in_json
        return (
            _REFERENCE.sub(lambda reference: self._known.get(reference[1], b""), body) if references else body
        )


def _length(start: Message) -> bytes | None:
    return next((value for name, value in start["headers"] if name.lower() == b"content-length"), None)


def _begun(body: bytes) -> int:
    """Where a reference begins that may go on in the next piece; the length of `body` if there is none."""
    for start in range(max(0, len(body) - len(_MARK) - 31), len(body)):
        rest = body[start:]
        if _MARK.startswith(rest) or _BEGUN.fullmatch(rest):
            return start
    return len(body)
