"""`POST /events/idaas`: user events of IDaaS. Public: the signature of each request is its authentication."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from agent.middleware.authentication import EVENTS_PATH
from agent.revocation.store import StoreError
from identity.errors import AgentError
from identity.idaas.user_events.user_event import SubjectMember, UserEvent
from identity.idaas.user_events.user_event_reader import EventRefusedError, UserEventReader
from identity.revocation.revocation import Revocation

_LOG: Final = logging.getLogger("idaas_agent.user_events")
_MAX_BODY_BYTES: Final = 262_144


def user_event_routes(
    reader: UserEventReader,
    *,
    subject: SubjectMember,
    latest: Callable[[], float],
    revoke: Callable[[Sequence[Revocation]], Awaitable[None]],
) -> APIRouter:
    """The route. `revoke` enforces and stores revocations; `latest` is the latest time of issue of
    any token that is accepted now, in unix seconds.

    The events of a request are processed before the response, so that a frozen instance loses none. An
    event that could not be stored is in force in this process, and IDaaS is requested to send it again.
    """
    router = APIRouter()

    @router.post(EVENTS_PATH, include_in_schema=False)  # for IDaaS alone
    async def events(request: Request) -> JSONResponse:
        """The vendor's response: each event is in exactly one of four lists."""
        body = await request.body()
        try:
            if len(body) > _MAX_BODY_BYTES:
                raise EventRefusedError("the body is too large")  # noqa: TRY301 - refused like the others
            received = await reader.read(body)
        except EventRefusedError as error:
            _LOG.warning("a request with user events was refused: %s", error)
            return _error(401, "bad_request", "the request is not signed by IDaaS for this agent")
        except AgentError as error:
            _LOG.warning("user events cannot be verified: %s: %s", error.code, error.detail)
            return _error(503, "internal_error", "the events cannot be verified now")
        results: dict[str, list[dict[str, str]]] = {name: [] for name in _LISTS}
        for event in received:
            name, code, message = await _process(event)
            results[name].append({"eventId": event.event_id, "eventCode": code, "eventMessage": message})
        return JSONResponse(results)

    async def _process(event: UserEvent) -> tuple[str, str, str]:
        if event.is_test:
            return "successEvents", "SUCCESS", "SUCCESS"
        name = event.subject(subject)
        decision = None if name is None else event.revocation(name, latest())
        if decision is None:
            return "skippedEvents", "auto_skipped", "does not affect access tokens"
        try:
            await revoke([decision])
        except (StoreError, AgentError) as error:
            _LOG.error("a user event could not be stored: %s", error)
            return "retriedEvents", "exception", "could not be stored"
        return "successEvents", "SUCCESS", "SUCCESS"

    return router


_LISTS: Final = ("successEvents", "skippedEvents", "failedEvents", "retriedEvents")


def _error(status: int, error: str, description: str) -> JSONResponse:
    body: dict[str, Any] = {"error": error, "errorDescription": description}
    return JSONResponse(body, status)
