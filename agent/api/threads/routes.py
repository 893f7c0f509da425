"""`/threads`: the caller's conversations. Another principal's is 404, as one that does not exist is."""

import base64
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from agent.api.ag_ui.messages import METADATA_KEY, to_ag_ui
from agent.api.call_grant import call_grant
from agent.api.disconnect import while_connected
from agent.api.response_models import documented, documented_body
from agent.api.surface import Surface, if_kept
from agent.api.threads.models import (
    Deleted,
    ExportedThread,
    MessagePage,
    NewThread,
    PageSize,
    Search,
    ThreadChange,
    ThreadList,
    ThreadModel,
    WholeThread,
)
from agent.api.validation_fault import read_body
from agent.conversations.message_json import encoded
from agent.conversations.owned_thread import OwnedThread, ThreadOwner
from agent.conversations.thread import StoredJson, StoredMessage, Thread
from agent.conversations.threads import ThreadStore
from agent.errors.error_response import RequestError
from agent.http.authentication import caller_of
from agent.runs.conversation_runs import Conversations
from graph.approvals.record import ApprovalState
from graph.approvals.request import approval_of
from identity.printable import rfc3339
from tools.file import UNKNOWN, media_type

_PAGE: Final = 50
_NEW: Final = documented_body(NewThread, required=False)
_CHANGE: Final = documented_body(ThreadChange)
_OPENED: Final = documented(ThreadModel, 201)
_FILE: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The bytes.", "content": {UNKNOWN: {}}}}
_SANDBOX: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"
_NO_CONTENT: Final[dict[int | str, dict[str, Any]]] = {204: {"description": "Done."}}


def thread_members(thread: Thread, waiting: Counter[str]) -> dict[str, Any]:
    """The members of a thread. `waiting` are the numbers of open approvals by thread."""
    pending_approvals = waiting[thread.id] if thread.status == "paused" else 0
    return {
        "id": thread.id,
        "title": thread.title,
        "created_at": rfc3339(thread.created_at),
        "updated_at": rfc3339(thread.updated_at),
        "status": thread.status,
        "pending_approvals": pending_approvals,
    }


def message_page(page: Sequence[StoredMessage]) -> dict[str, Any]:
    """A page of AG-UI's messages, with their times and versions, and the cursor of the page before it, if
    there may be one.
    """
    more = bool(page) and page[0].seq > 1
    by_id = {stored.message.id: stored for stored in page}
    messages = to_ag_ui(stored.message for stored in page)
    for message in messages:
        stored = by_id.get(message["id"])
        if stored is not None:
            about = message.setdefault("metadata", {}).setdefault(METADATA_KEY, {})
            about["created_at"] = rfc3339(stored.created_at)
            if stored.versions:
                about |= {"version": stored.seq, "versions": stored.versions}
    cursor = page[0].seq if more else None
    return {"messages": messages, "next": cursor}


def exported_approval(state: ApprovalState, now: float) -> dict[str, Any]:
    """The members of `ExportedApproval`."""
    request = state.request
    decision = state.decision_shown_to(None)
    return {
        "id": request.id,
        "kind": request.kind,
        "call_id": request.call_id,
        "service": request.service,
        "tool": request.tool,
        "access_identity": request.access_identity,
        "approvers": request.approvers,
        "rules": list(request.ruled.rules),
        "created_at": rfc3339(request.created_at),
        "status": state.status_at(now),
        "edited": state.is_edited,
        "decided_at": None if state.decided_at is None else rfc3339(state.decided_at),
        "decided_by": decision.get("decided_by"),
        "decided_on": decision.get("decided_on"),
        "grant": call_grant(request),
    }


async def exported(
    threads: ThreadStore, owned: OwnedThread, thread: Thread, approvals: Sequence[Mapping[str, Any]]
) -> AsyncIterator[bytes]:
    """The thread as one JSON object, in parts: few of its messages, and one of its files, are in memory.

    What was approved follows the messages, and then the files, each with its bytes as base64.
    """
    about = {"id": thread.id, "title": thread.title}
    times = {"created_at": rfc3339(thread.created_at), "updated_at": rfc3339(thread.updated_at)}
    yield encoded(about | times)[:-1] + b',"messages":['
    separator = b""
    after = 0
    while messages := await threads.exported(owned, after=after):
        parts = [message.json[:-1] + b"," + _stored_by(message) for message in messages]
        yield separator + b",".join(parts)
        separator = b","
        after = messages[-1].seq
    yield b'],"approvals":' + encoded(list(approvals)) + b',"files":['
    separator = b""
    for identifier in await threads.files.ids(owned):
        for data in (await threads.files.read(owned, [identifier])).values():
            yield separator + encoded({"id": identifier, "data": base64.b64encode(data).decode()})
            separator = b","
    yield b"]}"


def _stored_by(message: StoredJson) -> bytes:
    about = {"created_at": rfc3339(message.created_at), "run_id": message.run_id}
    return encoded(about | {"replaced": message.replaced})[1:]


def thread_routes(conversations: Conversations) -> APIRouter:
    """The routes of threads. `run_routes` has the routes of their runs."""
    router = APIRouter(prefix="/threads")

    async def waiting(request: Request) -> Counter[str]:
        """The numbers of the caller's open approvals by thread."""
        open_approvals = await conversations.open_approvals(caller_of(request.scope).principal)
        return Counter(state.request.thread_id for state in open_approvals)

    @router.get("", responses=documented(ThreadList))
    async def list_threads(
        request: Request, limit: PageSize = _PAGE, before: str | None = None, search: Search | None = None
    ) -> JSONResponse:
        """A page of conversations, the last changed first. With `search`, only conversations with all of
        its words. A client that leaves ends the search.
        """
        try:
            reading = conversations.threads.page(_owner(request), limit=limit, before=before, search=search)
            listed, cursor = await while_connected(reading, request.receive)
        except ValueError:
            raise RequestError("before", "expected a cursor of an earlier response") from None
        counts = await waiting(request)
        return JSONResponse(
            {"threads": [thread_members(thread, counts) for thread in listed], "next": cursor}
        )

    @router.post("", status_code=201, responses=_OPENED, openapi_extra=_NEW)
    async def open_thread(request: Request) -> JSONResponse:
        """Opens a conversation. One with this identifier is returned unchanged."""
        wanted = read_body(NewThread, await request.body())
        thread = await conversations.threads.open(_owner(request), wanted.id, wanted.title)
        return JSONResponse(thread_members(thread, await waiting(request)), 201)

    @router.delete("", responses=documented(Deleted))
    async def delete_all(request: Request) -> JSONResponse:
        """Deletes all conversations of the caller, and ends their runs."""
        return JSONResponse({"deleted": await conversations.delete_all(caller_of(request.scope))})

    @router.get("/{thread_id}", responses=documented(WholeThread))
    async def read_thread(request: Request, thread_id: str) -> JSONResponse:
        """A conversation with its newest messages, and what it waits for."""
        owned = _owned(request, thread_id)
        thread = await conversations.threads.get(owned)
        stored = await conversations.threads.messages(owned, limit=_PAGE)
        approvals = await conversations.pending(caller_of(request.scope), thread_id)
        run = {"id": thread.run_id} if thread.status == "running" else None
        return JSONResponse(
            {
                **thread_members(thread, await waiting(request)),
                **message_page(stored),
                "approvals": [approval_of(pending) for pending in approvals],
                "run": run,
            }
        )

    @router.patch("/{thread_id}", responses=documented(ThreadModel), openapi_extra=_CHANGE)
    async def rename(request: Request, thread_id: str) -> JSONResponse:
        """Renames a conversation."""
        change = read_body(ThreadChange, await request.body())
        thread = await conversations.threads.rename(_owned(request, thread_id), change.title)
        return JSONResponse(thread_members(thread, await waiting(request)))

    @router.post("/{thread_id}/versions/{version}", responses=documented(ThreadModel))
    async def show(
        request: Request, thread_id: str, version: Annotated[int, Path(ge=1, lt=2**53)]
    ) -> JSONResponse:
        """Shows another version of a question, with what followed it."""
        thread = await conversations.threads.show(_owned(request, thread_id), version)
        return JSONResponse(thread_members(thread, Counter()))

    @router.delete("/{thread_id}", status_code=204, response_class=Response, responses=_NO_CONTENT)
    async def delete(request: Request, thread_id: str) -> Response:
        """Ends the run of a conversation, and deletes it. It can be restored for ten minutes at least."""
        await conversations.delete(caller_of(request.scope), thread_id)
        return Response(status_code=204)

    @router.post("/{thread_id}/restore", responses=documented(ThreadModel))
    async def restore(request: Request, thread_id: str) -> JSONResponse:
        """Restores a deleted conversation."""
        thread = await conversations.threads.restore(_owned(request, thread_id))
        return JSONResponse(thread_members(thread, await waiting(request)))

    @router.get("/{thread_id}/messages", responses=documented(MessagePage))
    async def messages(
        request: Request,
        thread_id: str,
        limit: PageSize = _PAGE,
        before: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
    ) -> JSONResponse:
        """A page of messages before a cursor, the oldest first: fewer than `limit`, if they are large."""
        thread = _owned(request, thread_id)
        stored = await conversations.threads.messages(thread, before=before, limit=limit)
        return JSONResponse(message_page(stored))

    @router.get("/{thread_id}/export", responses=documented(ExportedThread))
    async def export(request: Request, thread_id: str) -> StreamingResponse:
        """The whole conversation, as a file. A failure midway closes the connection."""
        owned = _owned(request, thread_id)
        threads = conversations.threads
        thread = await threads.get(owned)
        now = conversations.parts.clock()
        states = await conversations.approvals_of(caller_of(request.scope), thread_id)
        parts = exported(threads, owned, thread, [exported_approval(state, now) for state in states])
        name = {"Content-Disposition": f'attachment; filename="conversation-{thread_id}.json"'}
        return StreamingResponse(parts, media_type="application/json", headers=name)

    @router.get("/{thread_id}/files/{file_id}", response_class=Response, responses=_FILE)
    async def file(request: Request, thread_id: str, file_id: str) -> Response:
        """A file of a conversation, to be saved: no browser shows it as a page, whatever it contains."""
        contents = await conversations.threads.files.read(_owned(request, thread_id), [file_id])
        if file_id not in contents:
            raise RequestError(None, "no such file", code="file_not_found", status=404)
        headers = {"Content-Disposition": "attachment", "Content-Security-Policy": _SANDBOX}
        return Response(contents[file_id], headers=headers, media_type=media_type(contents[file_id]))

    return router


def _owner(request: Request) -> ThreadOwner:
    return ThreadOwner.of(caller_of(request.scope))


def _owned(request: Request, thread_id: str) -> OwnedThread:
    return _owner(request).thread(thread_id)


THREADS: Final = Surface(
    name="threads",
    routes=if_kept(lambda kept: thread_routes(kept.conversations)),
    polled_paths=frozenset({"/threads"}),
)
