"""What every `ApprovalStore` guarantees. A test class of a store derives from it, with a fixture `store`."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from graph.approvals.record import ApprovalState, ApprovalStatus, ApprovalStore, Approver
from graph.error_codes import GraphCode
from identity.errors import ApprovalError
from identity.principal import AccessIdentity
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, SECONDS, request_of


class ApprovalStoreConformance:
    """Absent for others, decided once, used once."""

    async def test_opening_again_changes_nothing(self, store: ApprovalStore) -> None:
        assert await store.open(request_of()) == ApprovalState(request_of())
        await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
        again = await store.open(request_of(digest="other", created_at=NOW + 1))
        assert again == ApprovalState(request_of(), ApprovalStatus.APPROVED, DIGEST, NOW)

    async def test_several_are_found_at_once_of_their_principal_only(self, store: ApprovalStore) -> None:
        for n, principal in enumerate((ALICE, ALICE, BOB)):
            await store.open(request_of(id=str(n), call_id=str(n), principal=principal))
        await store.decide("1", ALICE, approved=False, digest=None, at=NOW)
        found = await store.find(["0", "1", "2", "3"], ALICE)
        assert {(each.request.id, each.status) for each in found} == {
            ("0", ApprovalStatus.OPEN), ("1", ApprovalStatus.REJECTED),
        }  # fmt: skip
        assert [each.request.id for each in await store.find(["2"], BOB)] == ["2"]

    async def test_latest_one_of_a_thread_is_found_in_every_state(self, store: ApprovalStore) -> None:
        for n in range(3):
            await store.open(
                request_of(id=str(n), call_id=str(n), thread_id=f"t{n // 2}", created_at=NOW + n)
            )
        await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW + 2)
        await store.use("1", ALICE, DIGEST, NOW + 2)
        latest = await store.latest(ALICE, "t0")
        assert latest is not None
        assert (latest.request.id, latest.status) == ("1", ApprovalStatus.USED)
        assert await store.latest(ALICE, "t2") is None
        assert await store.latest(BOB, "t0") is None

    async def test_new_question_withdraws_the_earlier_one_about_its_call(self, store: ApprovalStore) -> None:
        await store.open(request_of(id="asked"))
        await store.open(request_of(id="of another call", call_id="call_2"))
        await store.open(request_of(id="of another thread", thread_id="t2"))
        for _ in range(2):
            await store.open(request_of(id="asked anew", access_identity=AccessIdentity.MACHINE))
            await store.open(request_of(id="asked"))
        assert {state.request.id for state in await store.pending(ALICE)} == {
            "of another call", "of another thread", "asked anew",
        }  # fmt: skip
        with pytest.raises(ApprovalError):
            await store.decide("asked", ALICE, approved=True, digest=DIGEST, at=NOW)

    async def test_approved_call_that_is_asked_about_anew_is_not_made(self, store: ApprovalStore) -> None:
        await store.open(request_of())
        await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
        await store.open(request_of(id="2"))
        with pytest.raises(ApprovalError):
            await store.use("1", ALICE, DIGEST, NOW)

    async def test_request_without_identity_and_credential_is_the_same_after_storing(
        self, store: ApprovalStore
    ) -> None:
        request = request_of(access_identity=None, audience=None, scope=None)
        await store.open(request)
        assert await store.get("1", ALICE) == ApprovalState(request)

    async def test_approval_of_another_principal_is_absent(self, store: ApprovalStore) -> None:
        await store.open(request_of())
        assert await store.get("1", BOB) is None
        assert await store.pending(BOB) == []
        for attempt in (
            store.decide("1", BOB, approved=True, digest=DIGEST, at=NOW),
            store.use("1", BOB, DIGEST, NOW),
            store.open(request_of(principal=BOB)),
        ):
            with pytest.raises(ApprovalError):
                await attempt
        await store.withdraw(BOB, "t1", NOW)
        assert await store.get("1", ALICE) == ApprovalState(request_of())

    async def test_question_to_approvers_is_decided_by_one_of_them_once_and_never_by_its_asker(
        self, store: ApprovalStore
    ) -> None:
        await store.open(request_of(approvers="finance", rules=("limit",), arguments={"amount": 5}))
        await store.open(request_of(id="2", call_id="call_2"))
        bob, own = (Approver(each, frozenset({"finance"}), "t") for each in (BOB, ALICE))
        assert await store.asked_of(own) == []
        assert await store.asked_of(Approver(BOB, frozenset({"staff"}))) == []
        [asked] = await store.asked_of(bob)
        assert (asked.request.principal, asked.request.arguments) == (ALICE, {"amount": 5})
        for attempt in (
            store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW),
            store.decide("1", ALICE, approved=False, digest=None, at=NOW),
            store.decide_for("1", own, approved=True, at=NOW),
            store.decide_for("1", Approver(BOB, frozenset({"staff"})), approved=True, at=NOW),
            store.decide_for("1", bob, approved=True, at=NOW + SECONDS),
            store.decide_for("2", bob, approved=True, at=NOW),
        ):
            with pytest.raises(ApprovalError):
                await attempt
        decided = await store.decide_for("1", bob, approved=True, at=NOW)
        assert decided == await store.get("1", ALICE)
        assert (decided.approver, decided.approved_digest, decided.request.rules) == (bob, DIGEST, ("limit",))
        with pytest.raises(ApprovalError):
            await store.decide_for("1", bob, approved=False, at=NOW)
        await store.use("1", ALICE, DIGEST, NOW)

    async def test_unknown_approval_can_be_neither_decided_nor_used(self, store: ApprovalStore) -> None:
        for attempt in (
            store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW),
            store.use("1", ALICE, DIGEST, NOW),
        ):
            with pytest.raises(ApprovalError) as caught:
                await attempt
            assert caught.value.code is GraphCode.APPROVAL_INVALID

    async def test_refused_decision_leaves_the_approval_open(self, store: ApprovalStore) -> None:
        await store.open(request_of())
        with pytest.raises(ApprovalError):
            await store.decide("1", ALICE, approved=True, digest=None, at=NOW)
        with pytest.raises(ApprovalError):
            await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW + SECONDS)
        assert await store.get("1", ALICE) == ApprovalState(request_of())

    async def test_approval_is_not_used_for_other_arguments(self, store: ApprovalStore) -> None:
        await store.open(request_of())
        await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
        with pytest.raises(ApprovalError):
            await store.use("1", ALICE, "digest of other arguments", NOW)
        await store.use("1", ALICE, DIGEST, NOW)
        with pytest.raises(ApprovalError) as caught:
            await store.use("1", ALICE, DIGEST, NOW)
        assert caught.value.code is GraphCode.APPROVAL_USED

    async def test_of_many_decisions_and_uses_one_counts(self, store: ApprovalStore) -> None:
        await store.open(request_of())
        decisions = [
            store.decide("1", ALICE, approved=n > 0, digest=DIGEST, at=NOW) for n in range(9, -1, -1)
        ]
        outcomes = Counter(map(type, await asyncio.gather(*decisions, return_exceptions=True)))
        assert outcomes == {ApprovalState: 1, ApprovalError: 9}
        await store.open(request_of(id="2"))
        await store.decide("2", ALICE, approved=True, digest=DIGEST, at=NOW)
        uses = [store.use("2", ALICE, DIGEST, NOW) for _ in range(10)]
        outcomes = Counter(map(type, await asyncio.gather(*uses, return_exceptions=True)))
        assert outcomes == {type(None): 1, ApprovalError: 9}

    async def test_pending_ones_are_open_and_of_the_thread(self, store: ApprovalStore) -> None:
        for n in range(4):
            await store.open(request_of(id=str(n), call_id=str(n), thread_id=f"t{n % 2}", created_at=NOW + n))
        await store.decide("0", ALICE, approved=False, digest=None, at=NOW)
        assert [state.request.id for state in await store.pending(ALICE)] == ["1", "2", "3"]
        assert [state.request.id for state in await store.pending(ALICE, "t0")] == ["2"]

    async def test_withdrawal_for_one_call_leaves_the_others(self, store: ApprovalStore) -> None:
        for n in range(3):
            await store.open(request_of(id=str(n), call_id=f"call_{n}"))
        await store.withdraw(ALICE, "t1", NOW, call_id="call_1")
        assert [state.request.id for state in await store.pending(ALICE)] == ["0", "2"]

    async def test_withdrawal_ends_the_approvals_of_one_thread(self, store: ApprovalStore) -> None:
        for n in range(4):
            await store.open(request_of(id=str(n), call_id=str(n), thread_id=f"t{n // 3}"))
        await store.decide("1", ALICE, approved=True, digest=DIGEST, at=NOW)
        await store.decide("2", ALICE, approved=False, digest=None, at=NOW)
        await store.withdraw(ALICE, "t0", NOW)
        withdrawn = replace(
            ApprovalState(request_of(id="0", call_id="0", thread_id="t0")), status=ApprovalStatus.WITHDRAWN
        )
        assert await store.get("0", ALICE) == withdrawn
        with pytest.raises(ApprovalError):
            await store.use("1", ALICE, DIGEST, NOW)
        rejected = await store.get("2", ALICE)
        assert rejected is not None
        assert rejected.status is ApprovalStatus.REJECTED
        assert [state.request.id for state in await store.pending(ALICE)] == ["3"]
