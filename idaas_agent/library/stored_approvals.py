"""Approvals in a database, which outlive the process: `approvals=` of an `Identity`.

The store is the server's, in tables of the same form, under the same key (`CONVERSATIONS_KEY_FILE`). With it,
a call that changes something begins once over all processes that share the database, and a call whose user
has edited it is made as they approved it, whichever process makes it.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from weakref import WeakKeyDictionary

from graph.approvals.inbox import KeptArguments, kept_arguments
from graph.approvals.record import ApprovalKind, ApprovalRequest, ApprovalStore
from graph.call_arguments import arguments_digest
from graph.call_steps.once import BEGINNINGS, BegunCalls
from graph.extensions import Extensions
from identity.errors import ApprovalError
from identity.parts import IdentityParts
from identity.secrets.secret import Secret
from tools.approval_policy import Effect

if TYPE_CHECKING:
    from idaas_agent.library.settings import LibrarySettings

_SQLITE: Final = "sqlite:///"
_KEPT_SECONDS: Final = 400 * 86_400.0


class Edits(Protocol):
    """The arguments that users have approved in place of those of the model."""

    async def keep(self, request: ApprovalRequest, arguments: Mapping[str, Any]) -> None:
        """Keeps `arguments`, which the user of `request` is about to approve."""

    async def find(self, request: ApprovalRequest, digest: str) -> Mapping[str, Any] | None:
        """The arguments that were kept for `request` with this digest. Not checked: whether they have it. A
        call with other arguments has no approval.
        """


@dataclass(frozen=True, slots=True)
class KeptCalls:
    """Where approvals and beginnings of calls are kept. Without `edits`, the process alone knows them."""

    approvals: ApprovalStore
    begun: BegunCalls
    edits: Edits | None = None


class StoredApprovals:
    """The approvals of the database at `url`, which is opened for each event loop."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._kept: WeakKeyDictionary[IdentityParts, KeptCalls] = WeakKeyDictionary()

    def of(self, opened: IdentityParts) -> KeptCalls:
        """Where they are kept, for the event loop of `opened`, with which the connections are closed."""
        if opened not in self._kept:
            self._kept[opened] = self._open(opened)
        return self._kept[opened]

    def _open(self, opened: IdentityParts) -> KeptCalls:
        # The databases of a server are loaded only here.
        from idaas_agent.library.approval_database import ApprovalDatabase

        url = self._url.reveal()
        place: Path | Secret = self._url
        if url.startswith(_SQLITE):
            place = Path(url.removeprefix(_SQLITE))
        settings = cast("LibrarySettings", opened.settings)  # those with which the `Identity` was made
        database = ApprovalDatabase(place, settings, clock=opened.clock)
        Context().run(database.start)  # without the context of its first user, who is one of many
        opened.users.push_async_callback(database.aclose)
        return kept_in(database.approvals, opened.clock)


def kept_in(store: ApprovalStore, clock: Callable[[], float], seconds: float = _KEPT_SECONDS) -> KeptCalls:
    """All in `store`. A beginning is to be known for `seconds`."""
    return KeptCalls(store, _StoredBegunCalls(store, clock, seconds), _StoredEdits(store, clock))


@dataclass(frozen=True, slots=True)
class _StoredBegunCalls:
    """A `BegunCalls`: the beginning of a call is a question that is decided at once, by one process."""

    store: ApprovalStore
    clock: Callable[[], float]
    seconds: float

    async def begin(self, call: str) -> bool:
        """See `BegunCalls`."""
        now = self.clock()
        digest = hashlib.sha256(call.encode()).hexdigest()
        beginning = ApprovalRequest(
            id=f"begun-{digest}",
            kind=ApprovalKind.TOOL_CALL,
            thread_id=digest,
            principal=BEGINNINGS,
            digest=digest,
            effect=Effect.WRITE,
            created_at=now,
            expires_at=now + self.seconds,
        )
        await self.store.open(beginning)
        try:
            await self.store.decide(beginning.id, BEGINNINGS, approved=True, digest=digest, at=now)
        except ApprovalError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _StoredEdits:
    """Edited arguments are kept with a request of their own, which nobody is asked, beside the beginnings of
    calls, until their approval ends. It permits nothing: the approval of their digest does.
    """

    store: ApprovalStore
    clock: Callable[[], float]

    async def keep(self, request: ApprovalRequest, arguments: Mapping[str, Any]) -> None:
        """See `Edits`."""
        digest = arguments_digest(arguments)
        place = _place_of_edit(request, digest)
        edit = ApprovalRequest(
            id=place,
            kind=request.kind,
            thread_id=place,
            principal=BEGINNINGS,
            digest=digest,
            effect=request.effect,
            created_at=request.created_at,
            expires_at=request.expires_at + (request.expires_at - request.created_at),
            extensions=Extensions(KeptArguments(arguments)),
        )
        await self.store.open(edit)
        await self.store.withdraw(BEGINNINGS, place, self.clock())

    async def find(self, request: ApprovalRequest, digest: str) -> Mapping[str, Any] | None:
        """See `Edits`."""
        edit = await self.store.get(_place_of_edit(request, digest), BEGINNINGS)
        return None if edit is None else kept_arguments(edit.request)


def _place_of_edit(request: ApprovalRequest, digest: str) -> str:
    return f"edit-{request.id}-{digest}"
