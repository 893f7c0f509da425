"""Which tokens a list of revocations refuses."""

from itertools import permutations

import pytest

from identity.revocation.revocation import Origin, Revocation, Target, from_json, to_json
from identity.revocation.revocation_list import RevocationList

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


def test_empty_list_refuses_no_token():
    assert not RevocationList().refuses("alice", None, HASH)


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


def test_beyond_the_capacity_restored_and_old_entries_are_dropped_first():
    revoked = RevocationList(capacity=2)
    revoked.apply(user("old", changed_at=1.0))
    revoked.apply(user("restored", until=None, changed_at=5.0))
    revoked.apply(user("new", changed_at=6.0))
    assert {entry.name for entry in revoked.entries()} == {"old", "new"}
    revoked.apply(user("newest", changed_at=7.0))
    assert revoked.dropped == 2
    assert [revoked.refuses(name, 0.0, OTHER) for name in ("old", "new", "newest")] == [False, True, True]


@pytest.mark.parametrize(
    "revocation",
    [
        user(),
        user("名前", until=None),
        Revocation(Target.TOKEN, HASH, Origin.OPERATOR, 0.0, 1.5),
        Revocation(Target.ALL, "", Origin.OPERATOR, 100.0, 100.0),
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
    ],
)
def test_text_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        from_json(text.encode())
