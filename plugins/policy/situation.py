"""The facts that a policy knows of a call, and the questions that may permit a call which it denies.

Cedar and AuthZEN know no question: a call that is denied is evaluated again as if the user, or a member of a
group that the rules name, had approved it, or as if the user had just signed in. The first that is allowed is
what is asked. These evaluations are hints: only the one with true facts, just before the call, lets it
through.
"""

import secrets
from collections.abc import Container, Generator, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from graph.approvals.policy import Allow, AnyUser, Approver, Ask, Decision, Deny, Facts
from graph.labels.data_labels import labels_in, services_in
from identity.access_token.verifier import LEEWAY
from identity.principal import AccessIdentity, Principal
from tools.approval_policy import Data, DataLabels, Trust
from tools.lasting import LONGEST_SECONDS

DURATIONS: Final = (900, 3_600, 8 * 3_600, LONGEST_SECONDS)
"""The durations of a consent, in seconds, that are tried where rules mention `context.consent`."""
_PLACEHOLDER_APPROVER: Final = Principal("", secrets.token_hex(16))
"""An invented approver. No user has its id."""
FAILED: Final = "not run: the policy of the agent could not be evaluated for this call"
_NO_SIGN_IN_TIME: Final = (
    "not run: the policy of the agent requires a recent sign-in, and the user's access token does not say "
    "when they signed in"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A call, by whom, and when. `claims` are the user's attributes, `groups` those that the operator lists.

    `sign_in_age` is in seconds; `None`: not known. `calls` and `amount`, in ten-thousandths, count the user's
    calls of the tool today, this one included.
    """

    subject: str
    identity: str
    now: datetime
    groups: frozenset[str] = frozenset()
    claims: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sign_in_age: int | None = None
    calls: int = 0
    amount: int = 0
    today: Mapping[str, int | float] = field(default_factory=dict)
    """Further facts of the user's day, as the policy that decides takes them."""
    read: DataLabels = field(default_factory=dict)
    """The labels of what the conversation has read."""


def situation_of(
    user: AnyUser,
    identity: AccessIdentity | None,
    now: datetime,
    groups: Set[str],
    attributes: Iterable[str],
    group_claim: str,
) -> Situation:
    """A call without arguments, in a conversation that has read nothing. `identity` is whose rights it uses,
    `groups` and `attributes` are those that the operator lists.
    """
    claims = user.claims
    named = claims.get(group_claim, ())
    if isinstance(named, str):
        named = (named,)
    known = ((name, claims.get(name)) for name in attributes if name != group_claim)
    identity_name = "None" if identity is None else identity.value
    return Situation(
        subject=user.principal.subject,
        groups=frozenset(groups & {*named}),
        claims={name: text for name, text in known if isinstance(text, str)},
        identity=identity_name,
        now=now,
        sign_in_age=_sign_in_age(user, now),
    )


def _sign_in_age(user: AnyUser, now: datetime) -> int | None:
    """Seconds since the user signed in; `None` if that is not known, or is in the future."""
    if user.signed_in_at is None:
        return None
    age = now.timestamp() - user.signed_in_at
    if age < -LEEWAY:
        return None
    return max(0, int(age))


def context_of(situation: Situation, members: Container[str] = ("now", "time", "read")) -> dict[str, Any]:
    """The context of a call, of which `members` are wanted, without arguments and what was counted."""
    found: dict[str, Any] = {"identity": situation.identity}
    if "now" in members:
        now = situation.now
        found["now"] = {"minute": now.hour * 60 + now.minute, "weekday": now.isoweekday()}
        if "time" in members:
            found["now"]["time"] = f"{now.astimezone(UTC).isoformat()[:19]}Z"
    if "read" in members:
        labels = labels_in(situation.read)
        found["read"] = {
            "confidential": Data.CONFIDENTIAL in labels,
            "untrusted": Trust.UNTRUSTED in labels,
            "services": sorted(services_in(situation.read)),
        }
    return found


def consent_of(situation: Situation, facts: Facts, age: int | None) -> dict[str, Any]:
    """The context of a consent, without the approver: `age` is that of a supposed sign-in."""
    context: dict[str, Any] = {"approved": facts.approved}
    if facts.approved:
        context["consent"] = {"lasting": facts.lasting is not None, "seconds": facts.lasting or 0}
    if age is None:
        age = situation.sign_in_age
    if age is not None:
        context["authAge"] = age
    return context


def decision_steps(
    situation: Situation,
    facts: Facts,
    declared: Ask | None,
    groups: Iterable[str],
    ages: Sequence[int],
    durations: Sequence[int] = (),
) -> Generator[tuple[Facts, int | None], bool, Decision]:
    """Decides about a call, and if it is denied, finds what would permit it; first without another sign-in.

    It yields a consent and the age of a sign-in in seconds (`None`: the true one), first those that are true,
    and is sent whether the call is allowed then. With `declared`, which `facts` do not satisfy, it asks for
    an approval in any case, by whom and for as long as that says; after a consent, it denies. An approver may
    have to be of one of `groups`, a sign-in of one of `ages`, the longest first, and a consent may have one
    of `durations`, which are read when a consent to this call is found to be enough.
    """
    if (yield facts, None) and declared is None:
        return Allow()
    if facts.approved:
        return Deny()
    consents: list[tuple[Facts, str | None]] = [(Facts(), None)] if declared is None else []
    if declared is not None and declared.approvers is not None:
        groups = (declared.approvers,)
    else:
        consents.append((Facts(approved=True), None))
    for group in groups:
        approver = Approver(_PLACEHOLDER_APPROVER, frozenset({group}))
        consents.append((Facts(approved=True, approver=approver), group))
    if declared is not None:
        longest = max(declared.lasting, default=0)
        shorter = [duration for duration in DURATIONS if duration < longest]
        durations = (*shorter, *declared.lasting)
    supposed_ages: list[int | None] = [None]
    if ages:
        supposed_ages.append(0)
    for age in supposed_ages:
        for consent, approvers in consents:
            if (age is None and not consent.approved) or not (yield consent, age):
                continue
            if age is not None and situation.sign_in_age is None:
                return Deny(reason=_NO_SIGN_IN_TIME)
            lasting: list[int] = []
            if consent.approved and approvers is None:
                for seconds in durations:
                    if (yield replace(consent, lasting=seconds), age):
                        lasting.append(seconds)  # noqa: PERF401 - a comprehension cannot yield
            sign_in = age
            if age is not None:
                for longest_age in ages:
                    if (yield consent, longest_age):
                        sign_in = longest_age
                        break
            return Ask(approvers=approvers, sign_in=sign_in, lasting=tuple(lasting))
    return Deny()
