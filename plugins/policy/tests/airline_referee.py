"""The airline of τ²-bench: its handbook as the policy file of `examples/handbook`.

Each call that a task expects must be made, perhaps after the yes of the user or of the airline's staff. Calls
that the handbook forbids are made of the data of the tasks' users, one for each of their reservations: they
must be denied, or staff decides. What the user's own yes lets through is a difference.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from plugins.policy.command import Case as PolicyCase
from plugins.policy.command import _load, _Loaded, _words
from tests.referees.referee import Case
from tools.arguments.validator import BoundedValidator

_ROOT: Final = Path(__file__).parents[3]
HANDBOOK: Final = _ROOT / "examples" / "handbook"
_STAFF: Final = "airline_staff"
_NOW: Final = datetime.fromisoformat("2024-05-15T15:00:00")
"""The handbook's."""
_LEFT: Final = frozenset({"flying", "landed"})
_WORDS: Final = {
    "allow": "expected: unasked",
    "ask": "expected: after the user's yes",
    f"ask {_STAFF}": "expected: after a yes of staff",
}
_DENIED: Final = "forbidden: denied"
_OF_STAFF: Final = "forbidden: staff decides"
_OF_USER: Final = "forbidden: the user decides"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool, for the signed-in user `user` of the airline. `name` says what it is about."""

    name: str
    user: str
    tool: str
    arguments: Mapping[str, Any]


def run(folder: Path) -> Iterable[Case]:
    """The expected calls of all tasks, and the forbidden ones."""
    domain = folder / "data" / "tau2" / "domains" / "airline"
    tasks = json.loads((domain / "tasks.json").read_bytes())
    data = json.loads((domain / "db.json").read_bytes())
    with chdir(HANDBOOK):
        policy = _load(None, [Path("agent.env")])
    for call in expected_calls(tasks):
        yield _expected(policy, call)
    for call in forbidden_calls(tasks, data):
        yield _forbidden(policy, call)


def expected_calls(tasks: Iterable[Mapping[str, Any]]) -> Iterator[Call]:
    """The calls that solve the tasks."""
    for task in tasks:
        user = user_of(task)
        for number, action in enumerate(task["evaluation_criteria"]["actions"]):
            name = f"task {task['id']}, {number}: {action['name']}"
            yield Call(name, user, action["name"], action["arguments"])


def user_of(task: Mapping[str, Any]) -> str:
    """The id of the user whom a task is about, which its text names."""
    instructions = task["user_scenario"]["instructions"]
    texts = (instructions["known_info"], instructions["reason_for_call"], instructions["task_instructions"])
    words = " ".join(filter(None, texts)).replace("'", " ").split()
    return next(word.strip(".,") for word in words if _is_user(word.strip(".,")))


def _is_user(word: str) -> bool:
    """Whether a word is such as `mia_li_3668`."""
    parts = word.split("_")
    return len(parts) == 3 and parts[2].isdigit()


def forbidden_calls(tasks: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Iterator[Call]:
    """Calls that the handbook forbids, whatever the user says, for the users of the tasks."""
    users = list(dict.fromkeys(map(user_of, tasks)))
    for user, another in pairwise([*users, users[0]]):
        profile = data["users"][user]
        yield Call("another user's profile", user, "get_user_details", {"user_id": another})
        yield Call("an amount of no rule", user, "send_certificate", {"user_id": user, "amount": 75})
        reservations = [data["reservations"][number] for number in profile["reservations"]]
        if profile["membership"] == "regular" and not any(map(_may_be_compensated, reservations)):
            given = {"user_id": user, "amount": 100}
            yield Call("compensation without a ground", user, "send_certificate", given)
        for reservation in reservations:
            yield from _of_reservation(user, profile, reservation, reservations, data["flights"])
    bookings = [call for call in expected_calls(tasks) if call.tool == "book_reservation"]
    for booking in bookings:
        another = next(user for user in users if user != booking.user)
        yield from _of_booking(booking, data["users"][booking.user], another)


def _may_be_compensated(reservation: Mapping[str, Any]) -> bool:
    return reservation["insurance"] == "yes" or reservation["cabin"] == "business"


def _of_reservation(
    user: str,
    profile: Mapping[str, Any],
    reservation: Mapping[str, Any],
    all_reservations: Sequence[Mapping[str, Any]],
    flights: Mapping[str, Any],
) -> Iterator[Call]:
    number = {"reservation_id": reservation["reservation_id"]}
    if is_cancelled_for_no_reason(reservation, flights):
        yield Call("a cancellation for which no reason is enough", user, "cancel_reservation", number)
    flown = [
        {"flight_number": flight["flight_number"], "date": flight["date"]}
        for flight in reservation["flights"]
    ]
    change = {**number, "cabin": reservation["cabin"], "flights": flown}
    by_card = _method(profile, "credit_card", "gift_card")
    if reservation["cabin"] == "basic_economy" and by_card:
        later = [*flown[:-1], {**flown[-1], "date": _next_day(flown[-1]["date"])}]
        changed = {**change, "flights": later, "payment_id": by_card}
        yield Call("other flights in basic economy", user, "update_reservation_flights", changed)
    if by_card and _has_left(reservation, flights):
        cabin = "business" if reservation["cabin"] != "business" else "economy"
        changed = {**change, "cabin": cabin, "payment_id": by_card}
        yield Call("another cabin after a flight has left", user, "update_reservation_flights", changed)
    elsewhere = [other for other in all_reservations if other["destination"] != reservation["destination"]]
    if elsewhere and by_card:
        other_flights = [
            {"flight_number": flight["flight_number"], "date": flight["date"]}
            for flight in elsewhere[0]["flights"]
        ]
        changed = {**change, "flights": other_flights, "payment_id": by_card}
        yield Call("another destination", user, "update_reservation_flights", changed)
    bags = reservation["total_baggages"]
    if certificate := _method(profile, "certificate"):
        changed = {**change, "payment_id": certificate}
        yield Call("a change that a certificate pays", user, "update_reservation_flights", changed)
    if bags and by_card:
        changed = {**number, "total_baggages": bags - 1, "nonfree_baggages": 0, "payment_id": by_card}
        name = "the last bag is removed" if bags == 1 else "one of several bags is removed"
        yield Call(name, user, "update_reservation_baggages", changed)
    passengers = reservation["passengers"]
    if len(passengers) > 1:
        fewer = {**number, "passengers": passengers[:-1]}
        yield Call("a passenger less", user, "update_reservation_passengers", fewer)


def is_cancelled_for_no_reason(reservation: Mapping[str, Any], flights: Mapping[str, Any]) -> bool:
    """Whether the handbook forbids to cancel, whatever the reason is."""
    if _has_left(reservation, flights):
        return True
    is_new = _NOW - datetime.fromisoformat(reservation["created_at"]) <= timedelta(hours=24)
    is_cancelled = "cancelled" in _statuses(reservation, flights)
    return not (is_new or is_cancelled or _may_be_compensated(reservation))


def _has_left(reservation: Mapping[str, Any], flights: Mapping[str, Any]) -> bool:
    return not _LEFT.isdisjoint(_statuses(reservation, flights))


def _statuses(reservation: Mapping[str, Any], flights: Mapping[str, Any]) -> set[str]:
    return {
        flights[flight["flight_number"]]["dates"].get(flight["date"], {}).get("status", "")
        for flight in reservation["flights"]
    }


def _method(profile: Mapping[str, Any], *sources: str) -> str | None:
    """The first method of payment of these kinds."""
    methods: Mapping[str, Any] = profile["payment_methods"]
    return next((name for name, method in methods.items() if method["source"] in sources), None)


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _of_booking(booking: Call, profile: Mapping[str, Any], another: str) -> Iterator[Call]:
    given = booking.arguments
    changes: dict[str, dict[str, Any]] = {
        "a booking for another user": {"user_id": another},
        "six passengers": {"passengers": (given["passengers"] * 6)[:6]},
        "more paid bags than bags": {"nonfree_baggages": given["total_baggages"] + 1},
    }
    certificates = [name for name in profile["payment_methods"] if name.startswith("certificate")]
    if len(certificates) > 1:
        payments = [{"payment_id": name, "amount": 1} for name in certificates]
        changes["several certificates"] = {"payment_methods": payments}
    for name, change in changes.items():
        yield Call(name, booking.user, booking.tool, {**given, **change})


def _expected(policy: _Loaded, call: Call) -> Case:
    words = _decided(policy, call)
    if words not in _WORDS:
        return Case("expected: denied", call.name, words)
    approver = {"ask": call.user, f"ask {_STAFF}": "a colleague"}.get(words)
    made = words if approver is None else _decided(policy, call, approver)
    return Case(_WORDS[words], call.name, "" if made == "allow" else f"after the yes: {made}")


def _forbidden(policy: _Loaded, call: Call) -> Case:
    name = f"{call.name}: {call.user} {call.arguments.get('reservation_id', '')}".rstrip()
    words = _decided(policy, call)
    if words == f"ask {_STAFF}":
        return Case(_OF_STAFF, name)
    if words in ("deny", "refused by the schema"):
        return Case(_DENIED, name)
    return Case(_OF_USER, name, words)


def _decided(policy: _Loaded, call: Call, approver: str | None = None) -> str:
    """`allow`, `deny`, `ask` or `ask GROUP`, as the agent decides; or what the schema of the tool refuses."""
    action = policy.action(f"airline.{call.tool}")
    if BoundedValidator(action.parameters).faults(call.arguments):
        return "refused by the schema"
    groups = [_STAFF] if approver not in (None, call.user) else []
    case = PolicyCase(
        user=call.user,
        claims={"user_id": call.user},
        tool=action.name,
        arguments=dict(call.arguments),
        approved_by=approver,
        approver_groups=groups,
    )
    return _words(policy.decided(case)[0])
