"""The rules of an approval: decided once and in time, used once and in time, for what was approved."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from graph.approvals.record import ApprovalState, ApprovalStatus, Approver
from graph.error_codes import GraphCode
from identity.errors import ApprovalError
from identity.principal import Principal
from tests.graph.approvals.conftest import DIGEST, NOW, SECONDS, request_of

pytestmark = pytest.mark.promise("approval-binds")


@pytest.fixture
def state() -> ApprovalState:
    return ApprovalState(request_of())


def code_of(change: Callable[[], object]) -> GraphCode:
    with pytest.raises(ApprovalError) as caught:
        change()
    assert isinstance(caught.value.code, GraphCode)
    return caught.value.code


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_decision_is_final(state: ApprovalState, first: bool, second: bool) -> None:
    decided = state.decided(approved=first, digest=DIGEST, at=NOW)
    again = code_of(lambda: decided.decided(approved=second, digest=DIGEST, at=NOW + 1))
    assert again is GraphCode.APPROVAL_USED


def seen(state: ApprovalState, approver: Approver | None = None) -> Mapping[str, object]:
    """What a late decision of the principal, or of `approver`, gets."""
    with pytest.raises(ApprovalError) as caught:
        state.decided(approved=True, digest=DIGEST, at=NOW + 1, approver=approver)
    return caught.value.decided


def test_late_decision_says_who_decided_when_and_on_which_device_to_those_who_may_know(
    state: ApprovalState,
) -> None:
    asker = state.request.principal
    bob, carol, dave = (
        Approver(Principal(asker.issuer, name), frozenset({group}))
        for name, group in (("bob", "finance"), ("carol", "finance"), ("dave", "sales"))
    )
    asked = replace(state, request=replace(state.request, approvers="finance"))
    own = state.decided(approved=True, digest=DIGEST, at=NOW, device="Firefox")
    of_bob = asked.decided(approved=False, digest=None, at=NOW, approver=bob, device="Firefox")
    when = {"decided_at": NOW}
    assert seen(own) == {**when, "decided_by": asker.subject, "decided_on": "Firefox"}
    assert seen(own, bob) == when  # as the client of a prepared run
    assert seen(of_bob, bob) == {**when, "decided_by": "bob", "decided_on": "Firefox"}
    assert seen(of_bob, carol) == {**when, "decided_by": "bob"}
    assert seen(of_bob, dave) == seen(of_bob) == when
    assert seen(state.withdrawn(NOW)) == {}


def test_open_request_allows_no_call(state: ApprovalState) -> None:
    assert code_of(lambda: state.used(DIGEST, NOW)) is GraphCode.APPROVAL_INVALID


def test_rejected_and_withdrawn_requests_allow_no_call(state: ApprovalState) -> None:
    rejected = state.decided(approved=False, digest=None, at=NOW)
    assert rejected.status is ApprovalStatus.REJECTED
    withdrawn = state.decided(approved=True, digest=DIGEST, at=NOW).withdrawn(NOW)
    assert withdrawn.status is ApprovalStatus.WITHDRAWN
    for each in (rejected, withdrawn):
        assert code_of(lambda each=each: each.used(DIGEST, NOW)) is GraphCode.APPROVAL_USED


def test_request_expires(state: ApprovalState) -> None:
    assert state.status_at(NOW + SECONDS - 1) is ApprovalStatus.OPEN
    assert state.status_at(NOW + SECONDS) is ApprovalStatus.EXPIRED
    late = code_of(lambda: state.decided(approved=True, digest=DIGEST, at=NOW + SECONDS))
    assert late is GraphCode.APPROVAL_EXPIRED


def test_approval_that_is_not_used_expires_after_the_decision(state: ApprovalState) -> None:
    approved = state.decided(approved=True, digest=DIGEST, at=NOW + SECONDS - 1)
    assert approved.used(DIGEST, NOW + 2 * SECONDS - 2).status is ApprovalStatus.USED
    late = code_of(lambda: approved.used(DIGEST, NOW + 2 * SECONDS - 1))
    assert late is GraphCode.APPROVAL_EXPIRED


def test_final_status_does_not_change_with_time_or_withdrawal(state: ApprovalState) -> None:
    used = state.decided(approved=True, digest=DIGEST, at=NOW).used(DIGEST, NOW)
    assert used.withdrawn(NOW) == used
    assert used.status_at(NOW + 10 * SECONDS) is ApprovalStatus.USED
