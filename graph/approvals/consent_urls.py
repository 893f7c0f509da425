"""The URLs at which users allow the use of their accounts, in the memory of the process.

Only the user may see such a URL: an account that another person connects there becomes theirs. So it is in no
checkpoint, message or database; a reference may be in its place. Another process obtains it again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cachetools import TLRUCache

from graph.approvals.record import ApprovalKind, ApprovalRequest, ApprovalStore, PendingApproval
from graph.server_question import question_in
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ConsentRequiredError, CredentialError, UnreachableError
from identity.secrets.secret import Secret
from tools.service import Access

_CAPACITY: Final = 10_000


def url_reference(approval_id: str) -> str:
    """A reference to the URL of an open approval. It opens nothing, and only its user receives the URL."""
    return f"consent-url:{approval_id}"


class ConsentUrls:
    """Keeps URLs until their requests expire; above 10,000 the least recently used goes."""

    def __init__(
        self,
        access: Callable[[str, VerifiedAccessToken], Access],
        clock: Callable[[], float],
        store: ApprovalStore | None = None,
    ) -> None:
        """`access` returns a caller's access to the service of a name, outside of a run. `store` has the URLs
        that servers ask users to open.
        """
        self._access = access
        self._store = store
        self._urls: TLRUCache[str, tuple[Secret, float]] = TLRUCache(
            _CAPACITY, ttu=lambda _, kept, __: kept[1], timer=clock
        )

    def keep(self, request: ApprovalRequest, url: Secret) -> None:
        """Keeps the URL of `request`."""
        self._urls[request.id] = url, request.expires_at

    async def shown(self, pending: PendingApproval, caller: VerifiedAccessToken) -> PendingApproval:
        """`pending` with the URL of a consent, or a server's question, if `caller` is the user who is asked.

        A URL that is not in memory is obtained again. There is none if the user has given the consent
        meanwhile, or if it cannot be obtained now.
        """
        request = pending.request
        if request.kind is ApprovalKind.ELICITATION and self._store is not None:
            state = await self._store.get(request.id, caller.principal)
            question = None if state is None else question_in(state.request.extensions)
            url = (question or {}).get("url")
            return replace(pending, url=url and Secret(url))
        if request.kind is not ApprovalKind.CONSENT_REQUIRED or request.principal != caller.principal:
            return pending
        entry = self._urls.get(request.id)
        if entry is None:
            return replace(pending, url=await self._obtained(request, caller))
        url, _ = entry
        return replace(pending, url=url)

    async def _obtained(self, request: ApprovalRequest, caller: VerifiedAccessToken) -> Secret | None:
        try:
            await self._access(request.service, caller).credential()
        except ConsentRequiredError as error:
            self.keep(request, error.authorization_url)
            return error.authorization_url
        except (CredentialError, UnreachableError):
            pass
        return None
