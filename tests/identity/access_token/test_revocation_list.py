"""Which tokens a list of revocations refuses."""

from itertools import permutations

import pytest

from identity.access_token.revocation import CALLS, STOPPED, Origin, Revocation, Target, from_json, to_json
from identity.access_token.revocation_list import RevocationList

HASH = "ab" * 32
OTHER = "cd" * 32


def user(name="alice", until: float | None = 100.0, changed_at=100.0, origin=Origin.OPERATOR) -> Revocation:
    return Revocation(Target.USER, name, origin, until, changed_at)


def list_of(*revocations: Revocation) -> RevocationList:
    made = RevocationList()
    for revocation in revocations:
        made.apply(revocation)
    return made


@pytest.mark.parametrize(
    ("subject", "issued_at", "refused"),
    [
        ("alice", 99.0, True),
        ("alice", 100.0, True),
        ("alice", 101.0, False),
        ("alice", None, True),
        ("bob", 99.0, False),
        ("bob", None, False),
    ],
)
def test_tokens_of_a_revoked_user_are_refused_up_to_the_time_of_the_revocation(subject, issued_at, refused):
    assert list_of(user()).refuses(subject, issued_at, OTHER) is refused


def test_revoked_token_is_refused_by_its_hash_at_any_time_of_issue():
    revoked = list_of(Revocation(Target.TOKEN, HASH, Origin.OPERATOR, 0.0, 100.0))
    assert revoked.refuses("alice", 500.0, HASH)
    assert not revoked.refuses("alice", 500.0, OTHER)


@pytest.mark.parametrize(("issued_at", "refused"), [(100.0, True), (101.0, False), (None, True)])
def test_all_tokens_issued_before_a_time_are_refused(issued_at, refused):
    revoked = list_of(Revocation(Target.ALL, "", Origin.OPERATOR, 100.0, 100.0))
    assert revoked.refuses("anyone", issued_at, OTHER) is refused


def test_latest_change_counts_in_any_order_of_arrival():
    changes = [
        user(until=100.0, changed_at=100.0),
        user(until=None, changed_at=200.0),
        user(until=300.0, changed_at=300.0),
    ]
    for order in permutations(changes):
        assert list_of(*order).refuses("alice", 250.0, OTHER), order
    for order in permutations(changes[:2]):
        assert not list_of(*order).refuses("alice", 50.0, OTHER), order


def test_refusal_counts_of_two_changes_at_the_same_time():
    for order in permutations([user(until=None), user(until=100.0)]):
        assert list_of(*order).refuses("alice", 50.0, OTHER)


def test_revocation_by_an_operator_is_not_restored_by_idaas():
    revoked = list_of(
        user(), user(origin=Origin.IDAAS), user(until=None, changed_at=200.0, origin=Origin.IDAAS)
    )
    assert revoked.refuses("alice", 50.0, OTHER)
    revoked.apply(user(until=None, changed_at=300.0))
    assert not revoked.refuses("alice", 50.0, OTHER)


def test_apply_reports_whether_anything_changed():
    revoked = RevocationList()
    assert revoked.apply(user())
    assert not revoked.apply(user())
    assert not revoked.apply(user(until=None, changed_at=99.0))
    assert not revoked.apply(user(until=100.0, changed_at=200.0)), "the same tokens are refused as before"
    assert revoked.apply(user(until=None, changed_at=300.0))


class Clock:
    """The time that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_no_revocation_is_lost_however_many_there_are():
    count = 110_000
    revoked = RevocationList(reach=1_000_000.0, clock=Clock(110_000.0))
    for number in range(count):
        revoked.apply(user(f"user-{number}", until=float(number), changed_at=float(number)))
    assert all(revoked.refuses(f"user-{number}", 0.0, OTHER) for number in (0, 1, count // 2, count - 1))
    assert revoked.visited == 0, "a further revocation looks at no other one"


def test_entry_is_dropped_when_no_token_can_reach_it():
    clock = Clock(100.0)
    revoked = RevocationList(reach=1000.0, clock=clock)
    revoked.apply(user("alice", until=100.0, changed_at=100.0))
    revoked.apply(user("later", until=500.0, changed_at=100.0))
    revoked.apply(user("restored", until=None, changed_at=100.0))
    clock.now = 1099.0
    revoked.apply(user("bob", until=1099.0, changed_at=1099.0))
    assert {entry.name for entry in revoked.entries()} == {"alice", "later", "restored", "bob"}
    clock.now = 1100.0
    revoked.apply(user("carol", until=1100.0, changed_at=1100.0))
    assert {entry.name for entry in revoked.entries()} == {"later", "bob", "carol"}
    assert not revoked.refuses("alice", 101.0, OTHER)
    assert revoked.refuses("alice", 100.0, OTHER), "an earlier token stays refused, whatever its lifetime"


def test_entry_that_changed_is_dropped_by_its_latest_change():
    clock = Clock(100.0)
    revoked = RevocationList(reach=1000.0, clock=clock)
    revoked.apply(user("alice", until=100.0, changed_at=100.0))
    revoked.apply(user("alice", until=900.0, changed_at=900.0))
    clock.now = 1200.0
    for number in range(10):
        revoked.apply(user(f"user-{number}", until=1200.0, changed_at=1200.0))
    assert revoked.refuses("alice", 900.0, OTHER)
    clock.now = 1900.0
    revoked.apply(user("bob", until=1900.0, changed_at=1900.0))
    assert "alice" not in {entry.name for entry in revoked.entries()}


def test_revocation_that_no_token_can_reach_is_not_kept():
    revoked = RevocationList(reach=1000.0, clock=Clock(5000.0))
    assert not revoked.apply(user("alice", until=100.0, changed_at=100.0))
    assert not list(revoked.entries())
    assert not revoked.refuses("alice", None, OTHER)


def test_dropped_entries_of_a_clock_that_was_ahead_restore_no_access():
    clock = Clock(100.0)
    revoked = RevocationList(reach=1000.0, clock=clock)
    revoked.apply(user("alice", until=100.0, changed_at=100.0))
    revoked.apply(Revocation(Target.TOKEN, HASH, Origin.OPERATOR, 0.0, 100.0))
    clock.now = 1e9
    revoked.apply(user("bob", until=50.0, changed_at=1e9))
    revoked.apply(Revocation(Target.TOKEN, "ef" * 32, Origin.OPERATOR, 0.0, 1e9))
    clock.now = 200.0
    assert revoked.refuses("alice", 90.0, OTHER)
    assert revoked.refuses("carol", 90.0, HASH)
    assert not revoked.refuses("alice", 150.0, OTHER)


def test_work_of_dropping_is_constant_for_each_revocation():
    clock, count = Clock(100.0), 10_000
    revoked = RevocationList(reach=1000.0, clock=clock)
    for number in range(count):
        revoked.apply(user(f"user-{number}"))
    clock.now = 5000.0
    for number in range(count):
        revoked.apply(user(f"new-{number}", until=5000.0, changed_at=5000.0))
        assert revoked.visited <= 2 * (number + 1)
    assert len(list(revoked.entries())) == count
    assert revoked.visited == count


@pytest.mark.parametrize(
    "revocation",
    [
        user(),
        user("名前", until=None),
        Revocation(Target.TOKEN, HASH, Origin.OPERATOR, 0.0, 1.5),
        Revocation(Target.ALL, "", Origin.OPERATOR, 100.0, 100.0),
        Revocation(Target.CALLS_OF_SERVICE, "leave", Origin.OPERATOR, STOPPED, 100.0),
    ],
)
def test_revocation_is_equal_after_json(revocation):
    line = to_json(revocation)
    assert line.isascii()
    assert "\n" not in line
    assert from_json(line.encode()) == revocation


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"target":"user","name":"a","origin":"operator","changed_at":1}',
        '{"target":"user","name":"","origin":"operator","until":1,"changed_at":1}',
        '{"target":"user","name":7,"origin":"operator","until":1,"changed_at":1}',
        '{"target":"user","name":"a","origin":"stranger","until":1,"changed_at":1}',
        '{"target":"user","name":"a","origin":"operator","until":true,"changed_at":1}',
        '{"target":"user","name":"a","origin":"operator","until":-1,"changed_at":1}',
        '{"target":"user","name":"a","origin":"operator","until":1,"changed_at":1e300}',
        '{"target":"token","name":"ABC","origin":"operator","until":1,"changed_at":1}',
        '{"target":"all","name":"a","origin":"operator","until":1,"changed_at":1}',
        '{"target":"all_calls","name":"a","origin":"operator","until":1,"changed_at":1}',
        '{"target":"calls_of_tool","name":"","origin":"operator","until":1,"changed_at":1}',
        '{"target":"user","name":"a","name":"b","origin":"operator","until":1,"changed_at":1}',
        '{"target":"user","name":"a","origin":"operator","until":NaN,"changed_at":1}',
    ],
)
def test_text_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        from_json(text.encode())


def stop(target: Target, name: str, until: float | None = STOPPED, changed_at: float = 100.0) -> Revocation:
    return Revocation(target, name, Origin.OPERATOR, until, changed_at)


@pytest.mark.promise("stopped-refused")
@pytest.mark.parametrize("target", sorted(CALLS))
def test_stop_is_in_force_until_it_is_taken_back(target):
    name = "" if target is Target.ALL_CALLS else "leave"
    clock = Clock(100.0)
    revoked = RevocationList(reach=1000.0, clock=clock)
    assert not revoked.stops_calls
    revoked.apply(stop(target, name))
    clock.now = 1e9
    revoked.drop(10)
    assert revoked.stops_calls
    assert revoked.stopped_at(target, name) == 100.0
    assert [other for other in CALLS if revoked.stopped_at(other, name) is not None] == [target]
    revoked.apply(stop(target, name, None, 1e9))
    assert revoked.stopped_at(target, name) is None


@pytest.mark.promise("stopped-refused")
@pytest.mark.parametrize("target", sorted(CALLS))
def test_stop_of_calls_refuses_no_token(target):
    revoked = list_of(stop(target, "" if target is Target.ALL_CALLS else "alice"))
    assert not revoked.refuses("alice", 50.0, HASH)
    assert not revoked.changed("alice", 0.0, HASH)


def test_listeners_hear_what_changes_and_nothing_twice():
    heard = []
    revoked = list_of()
    revoked.listeners.append(heard.append)
    leave = stop(Target.CALLS_OF_SERVICE, "leave")
    revoked.apply(leave)
    revoked.apply(leave)
    revoked.apply(user())
    assert heard == [leave, user()]
