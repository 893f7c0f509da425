"""The caller of a run on Aegra: an envelope that the auth handler sealed, opened inside of a node.

The envelope is in the row of the run. It belongs to one principal and thread, to the input or the answer of
the run, and to the first run that opens it, in any process: a row that was changed in the database is not
executed with the rights of its caller.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from cachetools import LRUCache
from langgraph.config import get_config
from langgraph.runtime import Runtime
from langgraph.types import Command

from graph.context import AgentContext
from idaas_agent.library.token_references import member_of
from identity.access_token.sealed_caller import CallerSeal, SealedCaller
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError
from identity.principal import Principal
from identity.secrets.secret import Secret

SEALED: Final = "sealed_callers"
"""The member of the server's user that contains the envelope, by the thread of the run."""
USER_DEVICE: Final = "device"

GIVEN: Final = "__idaas_agent_given"
"""The member of a run's configuration that has the digest of what the run is given; the graph sets it."""

USER: Final = "langgraph_auth_user"
_RUNS: Final = 10_000


class SealedCallers:
    """Seals callers into the server's user, and finds the caller of a run (`graph.context.TokenLookup`)."""

    def __init__(self, seal: CallerSeal, issuer: str, clock: Callable[[], float] = time.time) -> None:
        """`issuer` is the issuer of all callers."""
        self._seal = seal
        self._issuer = issuer
        self._clock = clock
        self._opened: LRUCache[tuple[str, str, str, str], SealedCaller] = LRUCache(_RUNS)

    def add(self, user: object, caller: VerifiedAccessToken, thread_id: str, given: str) -> None:
        """Adds the envelope of `caller` to `user`, which the server stores with the run of `thread_id`.

        `given` is the digest of what the run is given (`run_digest`).
        """
        member_of(user, SEALED)[thread_id] = self._seal.seal(caller, thread_id, given)

    async def find(self, runtime: Runtime[AgentContext]) -> Secret | None:
        """The access token of the run's caller; `None` outside of the server.

        Raises `AccessTokenError` (`sign_in_required`) if there is no envelope or it cannot be opened, and
        `UnavailableError`. Of the client's `configurable` and `context`, nothing is read: the server sets the
        user, and an envelope is valid for that user only.
        """
        configurable: Mapping[str, Any] = get_config().get("configurable", {})
        if (user := configurable.get(USER)) is None:
            return None
        thread_id = runtime.execution_info.thread_id if runtime.execution_info is not None else None
        run_id = configurable.get("run_id")
        given = str(configurable.get(GIVEN))
        envelopes = member_of(user, SEALED)
        envelope = envelopes.get(thread_id) if isinstance(envelopes, Mapping) else None
        if thread_id is None or not isinstance(run_id, str) or not isinstance(envelope, str):
            raise AccessTokenError(IdentityCode.SIGN_IN_REQUIRED, "the run has no sealed caller")
        key = (envelope, thread_id, given, run_id)
        opened = self._opened.get(key)
        if opened is None or opened.expires_at <= self._clock():
            principal = Principal(self._issuer, str(member_of(user, "identity")))
            opened = self._opened[key] = await self._seal.open(envelope, principal, thread_id, given, run_id)
        return opened.access_token


def run_digest(given: object, checkpoint_id: object) -> str:
    """The digest of a run's input, or of its answer as a `Command`, and of the checkpoint that it begins at.

    It is the same before the value was stored in PostgreSQL as JSONB, and after: numbers count by their
    value. It is empty for a command that writes a state or jumps to a node; no envelope is sealed for one.
    """
    kind = "input"
    if isinstance(given, Command):
        if given.update is not None or given.goto:
            return ""
        kind = "answer"
        given = given.resume
    text = json.dumps([kind, _canonical(given), checkpoint_id], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> object:
    match value:
        case Mapping():
            return {str(name): _canonical(member) for name, member in value.items()}
        case list() | tuple():
            return [_canonical(element) for element in value]
        case None | bool():
            return value
        case int() | float():
            number = format(Decimal(repr(value)), "f")
            if "." in number:
                number = number.rstrip("0").rstrip(".")
            if number == "-0":
                number = "0"
            return f"n{number}"
        case _:
            return f"s{value}"
