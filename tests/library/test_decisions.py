"""How often the policies decide about a call, and by which facts: once for the question and for the call."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from langchain_core.messages import ToolCall, ToolMessage

from graph.approvals.policy import Allow, Ask, Decision, Deny, Facts
from graph.context import Conversation
from idaas_agent.library.governed_calls import CallParts, GovernedCalls
from idaas_agent.library.place import Place
from identity.secrets.secret import Secret
from tests.library.called_app import Bank, MemoryIdentity, pay
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("policy-decides")


def as_before(_: Facts, so_far: Allow | Ask) -> Decision:
    return so_far


def denied(_: Facts, __: Allow | Ask) -> Decision:
    return Deny()


def denied_when_approved(facts: Facts, so_far: Allow | Ask) -> Decision:
    return Deny() if facts.approved else so_far


@dataclass
class Counting:
    """A `CallPolicy` that counts, and decides by `decides_by`."""

    decides_by: Callable[[Facts, Allow | Ask], Decision] = as_before
    facts: list[Facts] = field(default_factory=list)
    counted: int = 0

    def decides(self, *_: object) -> bool:
        return True

    async def decide(self, _: Any, __: Any, facts: Facts, so_far: Allow | Ask) -> Decision:
        self.facts.append(facts)
        decision = self.decides_by(facts, so_far)
        if not isinstance(decision, Allow):
            return decision
        self.counted += 1
        return replace(decision, release=self._release)

    async def _release(self) -> None:
        self.counted -= 1

    async def forecast(self, *_: object) -> Any:
        raise NotImplementedError


class Calls:
    """The calls of a `Bank` by a policy, of alice in one conversation."""

    def __init__(self, policy: Counting, mode: ApprovalMode) -> None:
        self.bank = Bank()
        self.bank.policies["pay"] = ToolPolicy(Effect.WRITE, mode)
        self.identity = MemoryIdentity()
        known = self.identity.known_calls
        opened = self.identity._parts
        parts = CallParts(
            broker=opened.broker,
            audit=opened.audit,
            clock=opened.clock,
            access_identity=self.identity.settings.access_identity,
            approval_seconds=600.0,
            known=known,
            kept=known.kept(opened),
            policies=[policy],
        )
        self.calls = GovernedCalls([self.bank], parts)
        self.schema = next(tool for tool in self.bank.schemas if tool.name == "pay")
        self.place = Place(Conversation("thread", "run"), "task", "task-id", None, None, ())

    async def pay(self, amount: int = 5) -> ToolMessage:
        caller = await self.identity.tokens.verify(Secret("alice-at"))
        wanted = ToolCall(**pay(amount))
        return await self.calls.result("bank", self.schema, wanted, self.place, caller)

    async def approve(self, amount: int = 5) -> None:
        """Alice is asked, and approves."""
        caller = await self.identity.tokens.verify(Secret("alice-at"))
        wanted = ToolCall(**pay(amount))
        asked = await self.calls.question("bank", self.schema, wanted, self.place, caller)
        assert asked is not None
        await asked.decisions.keep(asked.approval, caller)
        assert await asked.decisions.approve(asked.approval, wanted["args"], caller)


async def test_call_about_which_nobody_is_asked_is_decided_once() -> None:
    policy = Counting()
    calls = Calls(policy, ApprovalMode.ALLOW)
    assert (await calls.pay()).text == "paid"
    assert policy.facts == [Facts()]
    assert policy.counted == 1


async def test_call_that_was_answered_is_decided_by_the_answer_too() -> None:
    policy = Counting()
    calls = Calls(policy, ApprovalMode.ASK)
    await calls.approve()
    policy.facts.clear()
    assert (await calls.pay()).text == "paid"
    assert policy.facts == [Facts(), Facts(approved=True)]
    assert policy.counted == 1


async def test_policy_that_has_come_to_deny_while_the_answer_is_looked_up_counts() -> None:
    policy = Counting(denied_when_approved)
    calls = Calls(policy, ApprovalMode.ASK)
    await calls.approve()
    assert (await calls.pay()).status == "error"
    assert (calls.bank.paid, policy.counted) == ([], 0)


async def test_call_that_a_policy_denies_after_its_question_is_decided_anew() -> None:
    policy = Counting()
    calls = Calls(policy, ApprovalMode.ASK)
    await calls.approve()
    policy.decides_by = denied
    assert (await calls.pay()).status == "error"
    assert calls.bank.paid == []


async def test_question_counts_no_call() -> None:
    policy = Counting()
    calls = Calls(policy, ApprovalMode.ALLOW)
    caller = await calls.identity.tokens.verify(Secret("alice-at"))
    wanted = ToolCall(**pay(5))
    assert await calls.calls.question("bank", calls.schema, wanted, calls.place, caller) is None
    assert policy.counted == 0
