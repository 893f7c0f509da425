"""`POST /events/idaas`: user events of IDaaS. Public: the signature of each request is its authentication."""

import logging
from collections.abc import Sequence
from typing import Final, TypeAlias

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Revocation
from identity.access_token.verifier import LEEWAY
from identity.errors import AgentError
from identity.idaas.user_event import SubjectMember, UnreadableEventError, UserEvent
from identity.idaas.user_event_reader import EventRefusedError, EventsUnreadableError, UserEventReader

EVENTS_PATH: Final = "/events/idaas"
_LOG: Final = logging.getLogger("idaas_agent.user_events")

_Outcome: TypeAlias = tuple[str, str, str]
"""The list of the response, and the code and text of the event there."""


def user_event_routes(agent: Agent, reader: UserEventReader) -> APIRouter:
    """The route, whose events `reader` reads.

    The events of a request are judged one by one, and processed before the response, so that a frozen
    instance loses none. Events that could not be stored are in force in this process, and IDaaS is requested
    to send them again.
    """
    router = APIRouter()

    @router.post(EVENTS_PATH, include_in_schema=False)  # for IDaaS alone
    async def events(request: Request) -> JSONResponse:
        """The vendor's response: each event is in exactly one of four lists."""
        try:
            received = await reader.read(await request.body())
        except EventRefusedError as error:
            _LOG.warning("a request with user events was refused: %s", error)
            return _error(401, "bad_request", "the request is not signed by IDaaS for this agent")
        except EventsUnreadableError as error:
            _LOG.error("a request with user events cannot be read: %s", error)
            return _error(400, "bad_request", str(error))
        except AgentError as error:
            _LOG.warning("user events cannot be verified: %s: %s", error.code, error.detail)
            return _error(503, "internal_error", "the events cannot be verified now")
        results: dict[str, list[dict[str, str]]] = {name: [] for name in _LISTS}
        for event, (name, code, message) in zip(received, await _process(received), strict=True):
            results[name].append({"eventId": event.event_id, "eventCode": code, "eventMessage": message})
        return JSONResponse(results)

    async def _process(events: Sequence[UserEvent]) -> Sequence[_Outcome]:
        now = agent.clock()
        subject = agent.settings.idaas_events_subject
        judged = [_judged(event, subject, now) for event in events]
        outcomes = [outcome for outcome, _ in judged]
        decisions = [decision for _, decision in judged if decision is not None]
        try:
            superseded = await agent.revocation.put(decisions) if decisions else ()
        except (StoreError, AgentError) as error:
            _LOG.error("user events could not be stored: %s", error)
            for position, (_, decision) in enumerate(judged):
                if decision is not None:
                    outcomes[position] = _NOT_STORED
            return outcomes
        for position, (event, (_, decision)) in enumerate(zip(events, judged, strict=True)):
            if event.time > now and decision in superseded:
                outcomes[position] = _AHEAD
        return outcomes

    return router


def _judged(event: UserEvent, subject: SubjectMember, now: float) -> tuple[_Outcome, Revocation | None]:
    try:
        decision = event.revocation(subject, now, now + LEEWAY)
    except UnreadableEventError as error:
        _LOG.error("a user event cannot be read: %s", error)
        return ("failedEvents", "unreadable", str(error)), None
    if decision is None and not event.is_test:
        return _SKIPPED, None
    return _SUCCESS, decision


_LISTS: Final = ("successEvents", "skippedEvents", "failedEvents", "retriedEvents")
_SUCCESS: Final = ("successEvents", "SUCCESS", "SUCCESS")
_SKIPPED: Final = ("skippedEvents", "auto_skipped", "does not affect access tokens")
_NOT_STORED: Final = ("retriedEvents", "exception", "could not be stored")
_AHEAD: Final = ("retriedEvents", "time_ahead", "its time has not come, and another change is later")


def _error(status: int, error: str, description: str) -> JSONResponse:
    return JSONResponse({"error": error, "errorDescription": description}, status)


def _routes(agent: Agent) -> APIRouter | None:
    if agent.user_events is None:
        return None
    return user_event_routes(agent, agent.user_events)


USER_EVENTS: Final = Surface(name="user-events", routes=_routes, signed_paths=frozenset({EVENTS_PATH}))
