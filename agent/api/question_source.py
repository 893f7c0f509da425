"""Questions to people that no run asks, as one declaration: a way to ask them, decide them and withdraw them.

`GET /approvals` lists those that wait for the caller, `POST /approvals/{id}` decides one, and
`idaas-agent grants` lists and withdraws them for operators. Sources of any installed package are found by
their entry points, whatever SURFACES names.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from agent.api.response_models import Wire
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.composition.kept import Kept
from agent.conversations.storage import ConversationStorage
from agent.entry_points import installed
from agent.settings.settings import Settings
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError

ENTRY_POINTS: Final = "idaas_agent.question_sources"
"""The group of entry points by which installed packages declare sources. An entry is a `QuestionSource`."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that counts."""

    run_id: str | None = None
    """The run that it began, in the conversation of the question's id."""


class Questions(Protocol):
    """The questions of one source, as their people see them."""

    async def waiting(self, caller: VerifiedAccessToken) -> list[dict[str, Any]]:
        """The members of those that `caller` can decide now, the oldest first."""

    async def decide(
        self, question_id: str, caller: VerifiedAccessToken, *, approved: bool
    ) -> Decided | None:
        """Keeps and records the decision of `caller`, once; `None` if the source has no question of this id
        for them. Raises `ApprovalError` if it does not count.
        """


@dataclass(frozen=True, slots=True)
class StoredParts:
    """The parts of an agent that a command has: what is stored, and where decisions are recorded."""

    settings: Settings
    storage: ConversationStorage
    audit: AuditTrail
    revocations: RevocationList
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Withdrawable:
    """A grant that counts, or a question that waits, as operators see it: `members` are JSON, without
    arguments.
    """

    id: str
    user: str
    members: dict[str, Any]
    withdraw: Callable[[], Awaitable[object]]
    """Ends it in every process, and records that an operator did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSource:
    """Questions of one kind. Their ids differ from those of all others."""

    name: str
    """The member of `GET /approvals` that lists them."""
    member: type[Wire]
    """The questions that it lists."""
    surface: Surface
    """The routes of those who ask."""
    questions: Callable[[Agent, Kept], Questions]
    """The questions, to the users of an agent that keeps conversations."""
    withdrawable: Callable[[StoredParts], Awaitable[Sequence[Withdrawable]]]
    """All that wait, of all users."""


def installed_sources() -> list[QuestionSource]:
    """The installed sources, in the alphabetical order of their entry points.

    Raises `ConfigurationError` for every entry that cannot be imported, or is no source.
    """
    sources = installed(ENTRY_POINTS)
    faults = [
        f'entry point "{name}" must be a QuestionSource, found {type(source).__name__}'
        for name, source in sources.items()
        if not isinstance(source, QuestionSource)
    ]
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return list(sources.values())
