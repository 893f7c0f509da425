"""Several policies decide about one call: the strictest decision counts, and no question is lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import ToolCall

from graph.approvals.pending_call import PendingCall
from graph.approvals.policies import Policies, strictest
from graph.approvals.policy import Allow, Ask, Decision, Deny, Facts, Forecast
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secrets.secret import Secret
from tests.graph.approvals.conftest import ALICE
from tests.graph.memory_seams import Tokens

pytestmark = pytest.mark.promise("policy-decides")

CALL = ToolCall(name="pay", args={}, id="call_1", type="tool_call")
PENDING = PendingCall(CALL, "bank", None, ALICE, None)


@dataclass
class Decides:
    """A policy whose decision is `answer`, which may depend on that of the policies before it."""

    answer: Decision | Callable[[Decision], Decision]
    so_far: list[Decision] = field(default_factory=list)

    def decides(self, *_: object) -> bool:
        return self.answer != Allow()

    async def decide(
        self, _pending: PendingCall, _caller: VerifiedAccessToken, _facts: Facts, so_far: Allow | Ask
    ) -> Decision:
        self.so_far.append(so_far)
        return self.answer(so_far) if callable(self.answer) else self.answer

    async def forecast(self, _service: str, _tool: Any, _user: Any, so_far: Forecast) -> Forecast:
        return self.answer(so_far) if callable(self.answer) else self.answer  # type: ignore[arg-type]  # of a forecast, as given


@dataclass
class Counter:
    """How often what an `allow` has counted was taken back."""

    released: int = 0

    @property
    def allow(self) -> Allow:
        async def release() -> None:
            self.released += 1

        return Allow(rules=("counted",), release=release)


async def decision(*policies: Decides) -> Decision:
    caller = await Tokens().verify(Secret("alice-at"))
    return await Policies(policies).decide(PENDING, caller, Facts())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], Allow()),
        ([Allow(), Deny(reason="no"), Allow()], Deny(reason="no")),
        ([Ask(), Allow()], Ask()),
        ([Ask(approvers="finance"), Ask()], Ask(approvers="finance", user_first=True)),
        ([Ask(), Ask(approvers="finance")], Ask(approvers="finance")),
        ([Ask(sign_in=60), Ask(sign_in=300)], Ask(sign_in=60)),
        ([Ask(lasting=(900,)), Ask(lasting=(900, 3600))], Ask(lasting=(900,))),
        ([Ask(user_first=True, approvers="hr"), Ask(approvers="hr")], Ask(user_first=True, approvers="hr")),
        ([Ask(read=("a",)), Ask(read=("b",))], Ask(read=("a", "b"))),
    ],
)
async def test_strictest_decision_counts_and_no_question_is_lost(
    answers: list[Decision], expected: Decision
) -> None:
    assert await decision(*map(Decides, answers)) == expected


async def test_two_policies_that_ask_different_people_deny_the_call() -> None:
    found = await decision(Decides(Ask(approvers="finance")), Decides(Ask(approvers="hr")))
    assert isinstance(found, Deny)
    assert "two different people" in found.reason


async def test_policy_knows_what_those_before_it_have_decided() -> None:
    last = Decides(Allow())
    await decision(Decides(Allow()), Decides(Ask(approvers="finance")), last)
    assert last.so_far == [Ask(approvers="finance")]


async def test_no_policy_is_asked_about_a_call_that_is_denied() -> None:
    last = Decides(Allow())
    await decision(Decides(Deny()), last)
    assert last.so_far == []


@pytest.mark.parametrize("answer", [Ask(), Deny()])
async def test_what_was_counted_is_taken_back_once_a_later_policy_does_not_allow(answer: Decision) -> None:
    counter = Counter()
    assert await decision(Decides(counter.allow), Decides(answer)) == answer
    assert counter.released == 1


async def test_call_that_all_allow_is_counted_until_it_is_taken_back_by_all() -> None:
    first, second = Counter(), Counter()
    found = await decision(Decides(first.allow), Decides(second.allow), Decides(lambda so_far: so_far))
    assert isinstance(found, Allow)
    assert (found.rules, first.released, second.released) == (("counted", "counted"), 0, 0)
    await found.released()
    assert (first.released, second.released) == (1, 1)


async def test_forecast_of_a_later_policy_does_not_hide_a_question() -> None:
    policies = Policies([Decides(Ask(approvers="finance")), Decides(Allow())])
    assert await policies.forecast("bank", None, None) == Ask(approvers="finance")  # type: ignore[arg-type]  # no tool is read


def test_consent_lasts_no_longer_than_each_policy_says() -> None:
    assert strictest(Ask(), Ask(lasting=(900,))) == Ask()
