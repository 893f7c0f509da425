"""What each user event means for the user's access tokens, whatever its members are."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from identity.access_token.revocation import Origin, Revocation, Target
from identity.idaas.user_event import DOUBT_SECONDS, PREFIX, UnreadableEventError, UserEvent

pytestmark = pytest.mark.promise("revoked-refused")

TIME = 1000.0
NOW, LATEST = 5000.0, 5030.0


def event(kind: str, record: Mapping[str, Any] | None, **members: Any) -> UserEvent:
    """An event of `TIME`; `members` override, and one of `...` (Ellipsis) is left out."""
    given = {
        "eventId": "evnt_1",
        "eventTime": str(int(TIME * 1000)),
        "eventType": PREFIX + kind,
        "bizId": "user_alice01",
        **members,
    }
    return UserEvent({name: value for name, value in given.items() if value is not ...}, record)


def decision(event: UserEvent) -> str | None:
    """What the event does to alice; at its time."""
    try:
        made = event.revocation("userId", NOW, LATEST)
    except UnreadableEventError:
        return "unreadable"
    if made is None:
        return None
    assert (made.target, made.name, made.origin) == (Target.USER, "user_alice01", Origin.IDAAS)
    return "restored" if made.until is None else "revoked"


@pytest.mark.parametrize(
    ("kind", "record", "expected"),
    [
        ("ud:user:disable", {}, "revoked"),
        ("ud:user:disable", {"status": "enabled"}, "revoked"),
        ("ud:user:lock", {"lockExpireTime": "2000000"}, "revoked"),
        ("ud:user:delete", {}, "revoked"),
        ("ud:user:update_password", {"password": "secret"}, "revoked"),
        ("ud:user:enable", {"status": "enabled", "lockExpireTime": "-1"}, "restored"),
        ("ud:user:enable", {}, "unreadable"),
        ("ud:user:unlock", {"userId": "user_alice01", "lockExpireTime": "-1"}, "unreadable"),
        ("ud:user:enable", {"lockExpireTime": "2000000"}, "revoked"),
        ("ud:user:unlock", {"status": "enabled"}, "restored"),
        ("ud:user:unlock", {"status": "disabled"}, "revoked"),
        ("ud:user:unlock", {"status": "enabled", "lockExpireTime": 500_000}, "restored"),
        ("ud:user:push", {"status": "enabled"}, "restored"),
        ("ud:user:push", {"status": "disabled"}, "revoked"),
        ("ud:user:push", {"status": "enabled", "accountExpireTime": "999000"}, "revoked"),
        ("ud:user:push", {"status": "enabled", "accountExpireTime": 999_000.0}, "revoked"),
        ("ud:user:push", {"status": "enabled", "accountExpireTime": "-1"}, "restored"),
        ("ud:user:push", {}, None),
        ("ud:user:create", {"status": "enabled"}, None),
        ("ud:user:create", {"status": "disabled"}, "revoked"),
        ("ud:user:update_info", {"status": "enabled"}, None),
        ("ud:user:update_info", {"status": "disabled"}, "revoked"),
        ("ud:user:update_info", {"accountExpireTime": "soon"}, None),
        ("ud:user:update_primary_ou", {}, None),
        ("ud:organizational_unit:delete", {"status": "disabled"}, None),
        ("ud:group:remove_user", {}, None),
        ("common:test", {}, None),
        ("ud:user:unheard_of", {"status": "disabled"}, None),
    ],
)
def test_event_has_the_effect_of_its_kind(kind: str, record: dict[str, Any], expected: str | None) -> None:
    assert decision(event(kind, record)) == expected


ENABLED = {"status": "enabled"}
ODD: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "a record that is not readable": (None, {}),
    "an empty record": ({}, {}),
    "no status": ({"userId": "user_alice01", "lockExpireTime": "-1"}, {}),
    "no time": (ENABLED, {"eventTime": ...}),
    "null as time": (ENABLED, {"eventTime": None}),
    "a text as time": (ENABLED, {"eventTime": "soon"}),
    "no finite number as time": (ENABLED, {"eventTime": "1e999"}),
    "a negative time": (ENABLED, {"eventTime": -5}),
    "zero as time": (ENABLED, {"eventTime": "0"}),
    "true as time": (ENABLED, {"eventTime": True}),
    "a list as time": (ENABLED, {"eventTime": [1_000_000]}),
    "a time of a thousand digits": (ENABLED, {"eventTime": 10**1000}),
    "a number as bizId": (ENABLED | {"userId": "user_alice01"}, {"bizId": 7}),
    "a list as bizId": (ENABLED | {"userId": "user_alice01"}, {"bizId": ["user_bob01"]}),
    "a long bizId": (ENABLED | {"userId": "user_alice01"}, {"bizId": "u" * 256}),
    "two ids": (ENABLED | {"userId": "user_bob01"}, {}),
    "an unknown status": ({"status": "frozen"}, {}),
    "a number as status": ({"status": 1}, {}),
    "an end of the lock that is no time": (ENABLED | {"lockExpireTime": "soon"}, {}),
    "an end of the account that is no time": (ENABLED | {"accountExpireTime": {}}, {}),
}
"""Members with which an event restores nothing."""


@pytest.mark.parametrize("odd", ODD)
def test_odd_event_blocks_but_restores_nothing(odd: str) -> None:
    record, members = ODD[odd]
    for kind in ("disable", "lock", "delete", "update_password"):
        assert decision(event(f"ud:user:{kind}", record, **members)) == "revoked"
    for kind in ("enable", "unlock"):
        assert decision(event(f"ud:user:{kind}", record, **members)) == "unreadable"
    if record is not None and record.get("status") == "enabled":
        assert decision(event("ud:user:push", record, **members)) == "unreadable"
    assert decision(event("ud:group:update", record, **members)) is None


@pytest.mark.parametrize("kind", ["disable", "enable"])
@pytest.mark.parametrize(
    "members", [{"bizId": ...}, {"bizId": None}, {"bizId": ""}, {"bizId": 7}, {"bizId": "u" * 256}]
)
def test_event_without_a_user_is_unreadable(kind: str, members: dict[str, Any]) -> None:
    assert decision(event(f"ud:user:{kind}", {}, **members)) == "unreadable"


@pytest.mark.parametrize("kind", [..., None, 7, "", ["urn"]])
def test_event_without_a_type_is_unreadable(kind: object) -> None:
    assert decision(event("", {}, eventType=kind)) == "unreadable"


@pytest.mark.parametrize("time", ["1000000", 1_000_000, 1_000_000.0, "1000000.0"])
def test_time_is_milliseconds_as_a_number_or_a_text(time: object) -> None:
    assert event("ud:user:disable", {}, eventTime=time).time == TIME


@pytest.mark.parametrize(
    ("event_id", "expected"), [("e", "e"), (7, "7"), (None, ""), (..., ""), ([], ""), ("e" * 999, "e" * 999)]
)
def test_id_is_a_text_in_the_response(event_id: object, expected: str) -> None:
    odd = event("ud:user:disable", {}, eventId=event_id)
    assert odd.event_id == expected
    assert decision(odd) == "revoked"


def at(kind: str, time: object, now: float = NOW) -> Revocation:
    milliseconds = int(time * 1000) if isinstance(time, float) else time
    made = event(f"ud:user:{kind}", ENABLED, eventTime=milliseconds).revocation("userId", now, now + 30)
    assert made is not None
    return made


@pytest.mark.parametrize("ahead", [NOW + 0.5, NOW + 20, NOW + 1e9])
def test_restoration_dated_ahead_is_outweighed_by_a_block_of_now(ahead: float) -> None:
    restored = at("enable", ahead)
    assert restored.until is None
    for block in (at("disable", NOW), at("disable", NOW - 1), at("disable", ahead), at("disable", "soon")):
        assert block.order > restored.order
    assert at("disable", NOW - DOUBT_SECONDS - 1).order < restored.order


@pytest.mark.parametrize("ahead", [NOW + 20, NOW + 1e9, "soon"])
def test_block_dated_ahead_counts_as_now(ahead: object) -> None:
    block = at("disable", ahead)
    assert block.changed_at == NOW
    assert NOW < (block.until or 0) <= LATEST
    assert at("enable", NOW + 1, now=NOW + 1).order > block.order


def test_tokens_are_refused_up_to_the_time_of_the_event() -> None:
    assert (at("disable", TIME).until, at("disable", NOW + 20).until) == (TIME, NOW + 20)


@pytest.mark.parametrize(
    ("member", "record", "subject"),
    [
        ("userId", {}, "user_alice01"),
        ("username", {"username": "alice"}, "alice"),
        ("userExternalId", {"userExternalId": "ext", "externalId": "old"}, "ext"),
        ("userExternalId", {"externalId": "old"}, "old"),
    ],
)
def test_subject_is_the_configured_member(member, record, subject):
    made = event("ud:user:disable", record).revocation(member, NOW, LATEST)
    assert made is not None
    assert made.name == subject


def test_block_of_a_user_without_the_configured_member_is_unreadable() -> None:
    for name in ({}, {"username": ""}, {"username": 7}, {"username": "u" * 256}):
        with pytest.raises(UnreadableEventError, match="username"):
            event("ud:user:delete", name).revocation("username", NOW, LATEST)


def test_text_of_an_event_does_not_contain_the_record() -> None:
    assert "secret" not in repr(event("ud:user:create", {"password": "secret"}, password="secret"))


def test_time_that_is_not_readable_is_never_in_the_past() -> None:
    assert event("ud:user:disable", {}, eventTime=json.loads("1e400")).time == math.inf


def test_older_disable_that_arrives_after_the_enable_changes_nothing() -> None:
    assert at("enable", 2000.0).order > at("disable", 1000.0).order
