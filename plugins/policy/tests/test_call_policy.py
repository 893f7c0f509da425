"""What decides about a call: the declared policy, the file as it is now, and the facts of the consent."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolCall

from agent.errors.error_codes import AgentCode
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, Ask, Decision, Deny, Facts
from graph.approvals.record import Approver
from graph.context import Conversation
from identity.audit.event import AuditedAction
from identity.errors import ConfigurationError, UnavailableError
from identity.principal import Principal
from identity.secrets.secret import Secret
from plugins.policy.counters import CallCounters
from plugins.policy.tests.company import FRIDAY, RULES, VOCABULARY, Away, Company, expense, not_called
from tests.graph.scripted_model import calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.elicitation import ANSWERED, InputRequired
from tools.lasting import LONGEST_SECONDS
from tools.service import ToolResult

pytestmark = pytest.mark.promise("policy-decides")

CompanyOf = Callable[..., Company]
ALL = '@id("all") permit (principal, action, resource);\n'
CONFIRMS = InputRequired({"q": {"mode": "form", "message": "Sure?", "schema": {"properties": {}}}})
UNASKED = RULES.replace('"500.0"', '"90000.0"').replace('"5000.0"', '"90000.0"')
DENIED = "not run: the policy of the agent denies this call"
FAILED = "not run: the policy of the agent could not be evaluated for this call"
FINANCE = Approver(Principal("https://idaas.example", "fay"), frozenset({"finance", "unlisted"}))


@pytest.fixture
def company(tmp_path: Path, counters: CallCounters) -> CompanyOf:
    def make(*turns: Any, rules: str = RULES, **members: Any) -> Company:
        rules = rules if rules.endswith("// end\n") else f"{ALL}{rules}\n// end\n"
        return Company(tmp_path, list(turns), counters=counters, rules=rules, **members)

    return make


async def confirmed() -> object:
    """As a tool whose server asks its user once."""
    answered = ANSWERED.get()
    return "done" if answered and answered.responses else ToolResult("", asks=CONFIRMS)


async def decided(
    company: Company, arguments: Any, facts: Facts | None = None, tool: str = "submit_expense", **members: Any
) -> Decision:
    """The decision about one call of alice."""
    caller = await company.tokens.verify(Secret("alice-at"))
    call = ToolCall(name=tool, args=arguments, id="call_1", type="tool_call")
    conversation = Conversation("t1", "run1")
    pending = PendingCall(call, "expenses", "r1", caller.principal, conversation)
    return await company.policies.decide(replace(pending, **members), caller, facts or Facts())


def observed(company: Company) -> list[str | None]:
    """What the records of calls say that observed rules would have decided."""
    ruled = [each.ruled for each in company.records.events if each.action is AuditedAction.TOOL_CALL]
    return [each.observed for each in ruled if each is not None]


def amount(value: object) -> dict[str, object]:
    return {"amount": value, "reason": "train"}


async def test_four_eyes_ask_a_member_of_the_group_and_the_user_cannot_be_one(company: CompanyOf) -> None:
    four_eyes = company()
    four_eyes.tokens.claims["alice"] = {"groups": ("finance",)}
    asked = await decided(four_eyes, amount(6000.0))
    assert (type(asked), getattr(asked, "approvers", "")) == (Ask, "finance")
    own = Approver(Principal("https://idaas.example", "alice"), frozenset({"finance"}))
    stranger = replace(FINANCE, groups=frozenset({"staff", "unlisted"}))
    for facts in (Facts(approved=True), *(Facts(approved=True, approver=each) for each in (own, stranger))):
        assert isinstance(await decided(four_eyes, amount(6000.0), facts), Deny)
    assert isinstance(await decided(four_eyes, amount(6000.0), Facts(approved=True, approver=FINANCE)), Allow)


async def test_rule_holds_for_the_person_who_has_approved(company: CompanyOf) -> None:
    not_fay = 'context.approver != principal && context.approver != User::"fay"'
    four_eyes = company(expense(6000.0), rules=RULES.replace("context.approver != principal", not_fay))
    await four_eyes.say()
    await four_eyes.approve_for("fay", "finance")
    assert await four_eyes.go_on() == [DENIED]
    assert four_eyes.submitted == []


async def test_forbid_without_exception_is_never_lifted(company: CompanyOf) -> None:
    never = company(rules='@id("never") forbid (principal, action == Action::"expenses.pay_out", resource);')
    everything = Facts(approved=True, approver=FINANCE, lasting=60)
    for facts in (Facts(), everything):
        found = await decided(never, {"report": "r1"}, facts, "pay_out")
        assert (type(found), found.rules) == (Deny, ("never",))


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        ("when { context.now.minute * 9223372036854775807 > 0 }", amount(5.0)),
        ('when { context.input.amount.greaterThan(decimal("9.0")) }', amount(5.00001)),
        ('when { context.input.amount.greaterThan(decimal("9.0")) }', amount("5")),
        ('when { context.input.amount.greaterThan(decimal("9.0")) }', amount(1e300)),
        ('when { context.input.amount.greaterThan(decimal("9.0")) }', amount(None)),
        ('when { context.input.amount.greaterThan(decimal("9.0")) }', {"reason": "train"}),
        ('when { context.input.reason == "x" }', {"amount": 5.0, "reason": "\ud800"}),
    ],
)
async def test_call_that_cannot_be_evaluated_is_denied(
    company: CompanyOf, rule: str, arguments: Any, caplog: pytest.LogCaptureFixture
) -> None:
    failing = company(
        rules=f'forbid (principal, action == Action::"expenses.submit_expense", resource)\n{rule};'
    )
    found = await decided(failing, arguments)
    assert (type(found), getattr(found, "reason", "")) == (Deny, FAILED)
    assert "train" not in caplog.text


async def test_tool_that_the_service_does_not_have_is_denied(company: CompanyOf) -> None:
    assert isinstance(await decided(company(), {}, Facts(approved=True), "burn"), Deny)


async def test_declared_policy_keeps_its_meaning_beside_the_file(company: CompanyOf) -> None:
    declared = {"submit_expense": ToolPolicy(Effect.WRITE), "pay_out": ToolPolicy(mode=ApprovalMode.DENY)}
    both = company(rules="", policies=declared)
    assert isinstance(await decided(both, amount(5.0)), Ask)
    assert isinstance(await decided(both, amount(5.0), Facts(approved=True)), Allow)
    assert isinstance(await decided(both, {"report": "r1"}, Facts(approved=True), "pay_out"), Deny)
    none = company(rules="// end\n", policies=declared)
    assert isinstance(await decided(none, amount(5.0), Facts(approved=True)), Deny)


async def test_consent_lasts_as_long_as_the_rules_permit(company: CompanyOf) -> None:
    rule = 'forbid (principal, action in Action::"write", resource)\nunless { context.approved &&'
    rule += " (!(context.consent.lasting) || context.consent.seconds <= 3600) };"
    guarded = rule.replace("context.approved &&", "context has consent &&")
    asked = await decided(company(rules=guarded), amount(5.0))
    assert isinstance(asked, Ask)
    assert asked.lasting == (900, 3600)
    asked = await decided(company(rules=guarded.replace("3600", "86401")), amount(5.0))
    assert isinstance(asked, Ask)
    assert max(asked.lasting) == LONGEST_SECONDS  # a longer grant cannot be given
    asked = await decided(company(), amount(600.0))
    assert isinstance(asked, Ask)
    assert asked.lasting == ()


RECENT = '@id("recent") forbid (principal, action in Action::"write", resource)\n'
RECENT += "unless { context has authAge && context.authAge <= 300 };"


@pytest.mark.parametrize("resume_values", [False, True])
async def test_recent_sign_in_is_asked_for_once_and_proved_by_auth_time_alone(
    company: CompanyOf, *, resume_values: bool
) -> None:
    signs_in = company(expense(5.0), rules=RECENT, resume_values=resume_values)
    signs_in.tokens.signed_in_at = {"alice-old": FRIDAY - 301, "alice-new": FRIDAY - 299}
    assert await signs_in.say("alice-old") == []
    assert await signs_in.approve("alice-new") == ["done"]

    again = company(expense(5.0), rules=RECENT, resume_values=resume_values)
    again.tokens.signed_in_at = {"alice-old": FRIDAY - 301, "alice-same": FRIDAY - 301}
    await again.say("alice-old")
    [refused] = await again.approve("alice-same")
    assert refused.startswith("not run: the policy of the agent requires a recent sign-in")
    assert again.service.calls == []


@pytest.mark.parametrize("signed_in_at", [None, FRIDAY + 3600])
async def test_token_that_proves_no_sign_in_is_refused(
    company: CompanyOf, signed_in_at: float | None
) -> None:
    unproved = company(expense(5.0), rules=RECENT)
    if signed_in_at is not None:
        unproved.tokens.signed_in_at["alice-at"] = signed_in_at
    [refused] = await unproved.say()
    assert refused.endswith("does not say when they signed in")


async def test_approved_call_is_decided_again_by_the_file_of_that_moment(company: CompanyOf) -> None:
    changing = company(expense(600.0))
    await changing.say()
    changing.write(RULES.replace("unless { context.approved };", ";"))
    assert await changing.approve() == [DENIED]
    assert changing.submitted == []


async def test_rules_know_the_claims_that_the_operator_lists(company: CompanyOf) -> None:
    sales = 'unless { principal has department && principal.department == "sales" };'
    strict = company(rules=f"forbid (principal, action, resource) {sales}")
    for claims in ({}, {"department": "hr"}, {"team": "sales"}, {"department": ("sales",)}):
        strict.tokens.claims["alice"] = claims
        assert isinstance(await decided(strict, amount(5.0)), Deny)
    strict.tokens.claims["alice"] = {"department": "sales"}
    assert isinstance(await decided(strict, amount(5.0)), Allow)


async def test_open_question_counts_no_more_once_the_file_wants_another_person(company: CompanyOf) -> None:
    changing = company(expense(600.0))
    await changing.say()
    changing.write(RULES.replace('"5000.0"', '"500.0"'))
    await changing.approve()
    assert (changing.submitted, await changing.asks()) == ([], True)
    await changing.approve_for("fay", "finance")
    assert await changing.go_on() == ["done"]


async def test_changed_file_is_in_force_at_once_and_a_faulty_one_is_refused_whole(company: CompanyOf) -> None:
    reloading = company()
    assert await reloading.submit(600.0) == "ask"
    reloading.write(RULES.replace('"500.0"', '"700.0"'))
    assert await reloading.submit(600.0) == "done"
    await reloading.policy.check()
    reloading.write(RULES.partition('@id("four-eyes")')[0])
    assert await reloading.submit(600.0) == "done"
    with pytest.raises(ConfigurationError, match="cut off") as error:
        await reloading.policy.check()
    assert error.value.code is AgentCode.POLICY_INVALID
    reloading.file.unlink()
    reloading.looks += 1
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await reloading.policy.check()
    reloading.write(RULES)
    assert await reloading.submit(600.0) == "ask"
    await reloading.policy.check()


async def test_records_of_a_call_name_the_file_and_the_rules(company: CompanyOf) -> None:
    recorded = company()
    await recorded.submit(5.0)
    await recorded.submit(21_000.0)
    ruled = [event.ruled for event in recorded.records.events if event.tool == "submit_expense"]
    digest = (await recorded.policy.file.current()).digest
    assert [(each.policy, each.rules) for each in ruled if each is not None] == [
        *[(digest, ("all",))] * 2,
        (digest, ("ask-above-500", "four-eyes", "daily")),
    ]


async def test_observed_rule_changes_nothing_and_is_recorded_and_counted(company: CompanyOf) -> None:
    rule = '@observe @id("tried") forbid (principal, action in Action::"write", resource);'
    observing = company(rules=rule)
    assert await observing.submit(5.0) == "done"
    assert observed(observing) == ["deny"] * 2
    assert observing.measures.observed.values == {("expenses", "deny"): 1}


async def test_observed_decision_counts_once_for_a_call_that_is_cancelled_or_asks_its_user(
    company: CompanyOf,
) -> None:
    rule = '@observe forbid (principal, action in Action::"write", resource);'
    asking, cancelled, began = company(rules=rule), company(rules=rule), asyncio.Event()

    async def hangs() -> None:
        began.set()
        await asyncio.Event().wait()

    asking.service.answers["submit_expense"], cancelled.service.answers["submit_expense"] = confirmed, hangs
    assert await asking.submit(5.0) == "ask"
    assert asking.measures.observed.values == {("expenses", "deny"): 1}
    assert await asking.approve() == ["done"]
    assert asking.measures.observed.values == {("expenses", "deny"): 1}
    run = asyncio.create_task(cancelled.submit(5.0))
    await began.wait()
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    assert cancelled.measures.observed.values == {("expenses", "deny"): 1}


@pytest.mark.parametrize("approved", [True, False])
async def test_observed_rule_that_asks_somebody_else_is_recorded_as_that_question(
    company: CompanyOf, *, approved: bool
) -> None:
    observing = company(rules=RULES.replace('@id("four-eyes")', '@observe @id("four-eyes")'))
    assert await observing.submit(6000.0) == "ask"
    await observing.approve(approved=approved)
    assert observing.submitted == [6000.0] * approved
    assert observed(observing) == ["ask"] * (2 if approved else 1)
    assert observing.measures.observed.values == {("expenses", "ask"): 1}


async def test_observed_rule_that_counts_or_bounds_a_consent_changes_nothing(company: CompanyOf) -> None:
    about = '(principal, action == Action::"expenses.submit_expense", resource)'
    asks = f"forbid {about} unless {{ context.approved }};\n"
    bounds = f"@observe forbid {about} when {{ context has consent && context.consent.seconds > 60 }};\n"
    counts = f'@observe @sum("amount") forbid {about} when {{ context.today.count > 5 }};'
    observing = company(rules=asks + bounds + counts)
    asked = await decided(observing, amount(5.0))
    assert isinstance(asked, Ask)
    assert asked.lasting == ()
    observing.policy.counters = CallCounters(Away())  # type: ignore[arg-type]  # a stand-in
    for given in (amount(5.0), amount(-1.0)):
        found = await decided(observing, given, Facts(approved=True))
        assert (type(found), found.observed) == (Allow, "deny")


FACTS_OF_TODAY = replace(VOCABULARY, facts_of_today={"tokens": int, "cost": Decimal})
BOUNDED = f"""{ALL}
@id("tokens") forbid (principal, action == Action::"expenses.submit_expense", resource)
when {{ context.today.tokens >= 1000 || context.today.cost.greaterThan(decimal("2.5")) }};
// end
"""


@pytest.mark.parametrize(
    ("tokens", "cost", "result"),
    [(999, "2.5", "done"), (1000, "0", DENIED), (0, "2.50001", DENIED), (0, "1e30", DENIED)],
)
async def test_facts_of_today_decide(company: CompanyOf, tokens: int, cost: str, result: str) -> None:
    async def facts(principal: Principal) -> Mapping[str, Any]:
        assert principal.subject == "alice"
        return {"tokens": tokens, "cost": Decimal(cost)}

    bounded = company(rules=BOUNDED, vocabulary=FACTS_OF_TODAY, facts_of_today=facts)
    assert await bounded.submit(5.0) == result


async def test_call_is_denied_and_not_counted_while_the_facts_of_today_cannot_be_known(
    company: CompanyOf,
) -> None:
    async def away(_: Principal) -> Mapping[str, Any]:
        raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")

    async def nothing_used(_: Principal) -> Mapping[str, Any]:
        return {"tokens": 0, "cost": Decimal(0)}

    once = BOUNDED.replace("context.today.tokens >=", "context.today.count > 1 || context.today.tokens >=")
    bounded = company(rules=once, vocabulary=FACTS_OF_TODAY, facts_of_today=away)
    assert "cannot be counted now" in await bounded.submit(5.0)
    bounded.policy.facts_of_today = nothing_used
    assert await bounded.submit(5.0) == "done"
    assert await bounded.submit(5.0) == DENIED


async def test_observed_permit_lets_nothing_through(company: CompanyOf) -> None:
    permit = company(rules=f"@observe {ALL}// end\n")
    assert await permit.submit(5.0) == DENIED
    assert observed(permit) == ["allow"]


async def test_observing_mode_decides_nothing(company: CompanyOf) -> None:
    rules = 'forbid (principal, action in Action::"write", resource);'
    observing = company(rules=rules, observes=True)
    assert await observing.submit(5.0) == "done"
    observing.service.policies["submit_expense"] = ToolPolicy(Effect.WRITE, ApprovalMode.DENY)
    assert await observing.submit(5.0) == DENIED


async def test_observing_mode_counts_the_calls_that_it_lets_through(company: CompanyOf) -> None:
    observing = company(observes=True)
    assert [await observing.submit(6000.0) for _ in range(4)] == ["done"] * 4
    assert observed(observing)[::2] == ["ask", "ask", "ask", "deny"]


async def test_call_that_was_not_sent_is_not_counted_and_a_failed_one_is(company: CompanyOf) -> None:
    counted = company(*[expense(15_000.0)] * 3, rules=UNASKED)
    counted.service.answers["submit_expense"] = not_called("invalid arguments")
    assert await counted.submit(15_000.0) == "invalid arguments"
    counted.service.answers["submit_expense"] = TimeoutError()
    assert (await counted.submit(15_000.0)).startswith("external_service_failed")
    assert await counted.submit(15_000.0) == DENIED


async def test_call_whose_server_asks_its_user_counts_once(company: CompanyOf) -> None:
    counted = company(rules=UNASKED)
    counted.service.answers["submit_expense"] = confirmed
    assert await counted.submit(15_000.0) == "ask"
    assert await counted.approve() == ["done"]
    assert await counted.submit(15_000.0) == DENIED


async def test_call_that_another_process_has_sent_stays_counted_when_it_is_refused_here(
    company: CompanyOf,
) -> None:
    counting = company(rules=UNASKED)
    sent = await decided(counting, amount(15_000.0))
    again = await decided(counting, amount(15_000.0))
    assert isinstance(sent, Allow)
    assert isinstance(again, Allow)
    await again.released()
    other = await decided(counting, amount(15_000.0), response_id="r2")
    assert isinstance(other, Deny)


@pytest.mark.parametrize("spent", [-1.0, 10.0**12, 0.00001])
async def test_amount_that_would_not_count_is_denied(company: CompanyOf, spent: float) -> None:
    found = await decided(company(), amount(spent))
    assert (type(found), getattr(found, "reason", "")[:43]) == (
        Deny,
        "not run: the amount of the call cannot be c",
    )


async def test_call_is_denied_while_calls_cannot_be_counted(company: CompanyOf) -> None:
    away = company()
    away.policy.counters = CallCounters(Away())  # type: ignore[arg-type]  # a stand-in
    found = await decided(away, amount(5.0))
    assert (type(found), json.dumps(found.rules)) == (Deny, "[]")
    assert isinstance(await decided(away, {}, tool="list_expenses"), Allow)


async def test_only_tools_whose_rules_count_are_counted(company: CompanyOf) -> None:
    counting = company(calls(("list_expenses", {}), ("pay_out", {"report": "r1"})))
    counting.counters = counting.policy.counters = None  # type: ignore[assignment]  # as without a database
    counting.tokens.claims["alice"] = {"groups": "finance"}
    assert await counting.say() == ["done", "done"]


@pytest.mark.promise("grants-are-bounded", "another-decides")
async def test_consent_counts_beside_the_file_as_far_as_for_the_declared_policy(company: CompanyOf) -> None:
    granted = Facts(approved=True, lasting=3600)
    asking = company(rules="")
    assert isinstance(await decided(asking, amount(5.0), granted), Allow)
    asking.service.policies["submit_expense"] = ToolPolicy(
        Effect.WRITE, ApprovalMode.ASK, approvers="finance"
    )
    own, by = Facts(approved=True), Facts(approved=True, approver=FINANCE)
    assert isinstance(await decided(asking, amount(5.0), own), Deny)
    assert isinstance(await decided(asking, amount(5.0), by), Allow)


async def test_rules_know_what_the_conversation_has_read(company: CompanyOf) -> None:
    rule = "forbid (principal, action, resource) when { context.read.%s };\n"
    read = {"maps.weather": "confidential", "wiki.page": "untrusted"}
    for condition in ("confidential", "untrusted", 'services.contains("maps")'):
        strict = company(rules=rule % condition)
        assert isinstance(await decided(strict, amount(5.0)), Allow | Ask)
        assert isinstance(await decided(strict, amount(5.0), read=read), Deny)
