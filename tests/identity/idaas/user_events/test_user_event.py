"""What each kind of user event means for the user's access tokens."""

from typing import Any

import pytest

from identity.idaas.user_events.user_event import PREFIX, SubjectMember, UserEvent
from identity.revocation.revocation import Origin, Revocation, Target

pytestmark = pytest.mark.promise("revoked-refused")

TIME = 1000.0


def decision(kind: str, not_after: float = 5000.0, **record: Any) -> str | None:
    made = UserEvent("evnt_1", TIME, PREFIX + kind, "user_alice01", record).revocation(
        "user_alice01", not_after
    )
    if made is None:
        return None
    assert (made.target, made.name, made.origin) == (Target.USER, "user_alice01", Origin.IDAAS)
    assert made.changed_at == min(TIME, not_after)
    if made.until is None:
        return "restored"
    assert made.until == made.changed_at
    return "revoked"


@pytest.mark.parametrize(
    ("kind", "record", "expected"),
    [
        ("ud:user:disable", {}, "revoked"),
        ("ud:user:disable", {"status": "enabled"}, "revoked"),
        ("ud:user:lock", {"lockExpireTime": "2000000"}, "revoked"),
        ("ud:user:delete", {}, "revoked"),
        ("ud:user:update_password", {"password": "secret"}, "revoked"),
        ("ud:user:enable", {"status": "enabled", "lockExpireTime": "-1"}, "restored"),
        ("ud:user:enable", {}, "restored"),
        ("ud:user:enable", {"lockExpireTime": "2000000"}, "revoked"),
        ("ud:user:unlock", {"status": "enabled"}, "restored"),
        ("ud:user:unlock", {"status": "disabled"}, "revoked"),
        ("ud:user:unlock", {"lockExpireTime": 500_000}, "restored"),
        ("ud:user:push", {"status": "enabled"}, "restored"),
        ("ud:user:push", {"status": "disabled"}, "revoked"),
        ("ud:user:push", {"status": "enabled", "accountExpireTime": "999000"}, "revoked"),
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
    assert decision(kind, **record) == expected


def test_event_time_in_the_future_counts_as_the_latest_possible_one() -> None:
    assert decision("ud:user:disable", not_after=900.0) == "revoked"


@pytest.mark.parametrize(
    ("member", "record", "subject"),
    [
        (SubjectMember.USER_ID, {}, "user_alice01"),
        (SubjectMember.USERNAME, {"username": "alice"}, "alice"),
        (SubjectMember.USERNAME, {}, None),
        (SubjectMember.USER_EXTERNAL_ID, {"userExternalId": "ext", "externalId": "old"}, "ext"),
        (SubjectMember.USER_EXTERNAL_ID, {"externalId": "old"}, "old"),
    ],
)
def test_subject_is_the_configured_member(
    member: SubjectMember, record: dict[str, Any], subject: str
) -> None:
    assert UserEvent("evnt_1", TIME, PREFIX, "user_alice01", record).subject(member) == subject


def test_text_of_an_event_does_not_contain_the_record() -> None:
    assert "secret" not in repr(UserEvent("evnt_1", TIME, PREFIX, "user_alice01", {"password": "secret"}))


def test_older_disable_that_arrives_after_the_enable_changes_nothing() -> None:
    enable = UserEvent("2", 2000.0, f"{PREFIX}ud:user:enable", "a", {}).revocation("a", 9000.0)
    disable = UserEvent("1", 1000.0, f"{PREFIX}ud:user:disable", "a", {}).revocation("a", 9000.0)
    assert isinstance(enable, Revocation)
    assert isinstance(disable, Revocation)
    assert enable.order > disable.order
