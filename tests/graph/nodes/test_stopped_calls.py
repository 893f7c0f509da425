"""An operator stops calls: new ones are refused, and those in progress end where nothing was changed."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import ToolMessage

from graph.approvals.policy import Allow, Deny, User
from graph.call_steps.stops import Stops
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.audit.trail import AuditTrail
from identity.principal import Principal
from tests.graph.bench import AMAP_KEY, Bench, bench
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Vault
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.service import ToolSchema

pytestmark = pytest.mark.promise("stopped-refused")

NOW = 1000.0


class Operator:
    """Who stops calls in the process of a test."""

    def __init__(self) -> None:
        self.revocations = RevocationList(clock=lambda: NOW)
        self.stops = Stops(self.revocations, lambda: NOW)

    def stop(self, target: Target, name: str = "") -> Revocation:
        stop = Revocation(target, name, Origin.OPERATOR, STOPPED, NOW)
        self.revocations.apply(stop)
        return stop

    def start(self, target: Target, name: str = "") -> None:
        self.revocations.apply(Revocation(target, name, Origin.OPERATOR, None, NOW + 1))


@pytest.fixture
def operator() -> Operator:
    return Operator()


class Leave(EchoService):
    """Before a call needs its credential, `before` is called."""

    async def before(self) -> None:
        """Nothing happens."""

    async def call(self, tool: str, arguments: Any, access: Any) -> Any:
        await self.before()
        return await super().call(tool, arguments, access)


def leave(requirement: Any = None, **answers: Any) -> Leave:
    """A service with a tool that changes something, and one that only reads."""
    answers = {"leave_apply": "applied", "leave_balance": "12 days"} | answers
    service = Leave("leave", requirement, **answers)
    service.policies = {
        "leave_apply": ToolPolicy(effect=Effect.WRITE, mode=ApprovalMode.ALLOW),
        "leave_balance": ToolPolicy(effect=Effect.READ, mode=ApprovalMode.ALLOW),
    }
    return service


def asked(operator: Operator, service: EchoService, *tools: str, **options: Any) -> Bench:
    """An agent whose model calls `tools` once."""
    return bench([calls(*((tool, {}) for tool in tools)), DONE], service, stops=operator.stops, **options)


async def results(agent: Bench) -> list[ToolMessage]:
    return [message for message in await agent.ask() if isinstance(message, ToolMessage)]


@pytest.mark.parametrize(
    ("target", "name", "made"),
    [
        (Target.CALLS_OF_SERVICE, "leave", []),
        (Target.CALLS_OF_SERVICE, "expenses", ["leave_apply", "leave_balance"]),
        (Target.CALLS_OF_TOOL, "leave_apply", ["leave_balance"]),
        (Target.CALLS_OF_TOOL, "leave.leave_apply", ["leave_balance"]),
        (Target.CALLS_OF_TOOL, "expenses.leave_apply", ["leave_apply", "leave_balance"]),
        (Target.CALLS_OF_USER, "alice", []),
        (Target.CALLS_OF_USER, "bob", ["leave_apply", "leave_balance"]),
        (Target.ALL_CALLS, "", []),
    ],
)
async def test_stopped_calls_are_refused_and_others_are_made(
    operator: Operator, target: Target, name: str, made: list[str]
) -> None:
    service = leave()
    operator.stop(target, name)
    await asked(operator, service, "leave_apply", "leave_balance").ask()
    assert sorted(tool for tool, *_ in service.calls) == made


async def test_person_and_model_are_told_that_an_operator_stopped_it(operator: Operator) -> None:
    operator.stop(Target.CALLS_OF_SERVICE, "leave")
    agent = asked(operator, leave(), "leave_apply")
    events = await agent.events()
    (finished,) = [event for event in events if event.get("type") == "tool_finished"]
    assert (finished["error"], finished["called"]) == ("calls_stopped", False)
    told = "an operator stopped the service leave at 1970-01-01T00:16:40Z"
    assert told in finished["result"]
    assert told in str(agent.model.asked[-1])


async def test_stop_of_a_user_does_not_tell_their_subject_to_the_model(operator: Operator) -> None:
    operator.stop(Target.CALLS_OF_USER, "alice")
    (result,) = await results(asked(operator, leave(), "leave_apply"))
    assert "alice" not in result.text


async def test_calls_are_made_again_once_they_are_started(operator: Operator) -> None:
    operator.stop(Target.CALLS_OF_SERVICE, "leave")
    operator.start(Target.CALLS_OF_SERVICE, "leave")
    (result,) = await results(asked(operator, leave(), "leave_apply"))
    assert result.text == "applied"


async def test_started_service_stays_stopped_while_all_calls_are(operator: Operator) -> None:
    operator.stop(Target.ALL_CALLS)
    operator.stop(Target.CALLS_OF_SERVICE, "leave")
    operator.start(Target.CALLS_OF_SERVICE, "leave")
    (result,) = await results(asked(operator, leave(), "leave_apply"))
    assert "an operator stopped all calls" in result.text


async def test_call_that_changes_something_and_was_sent_goes_on_and_is_named(operator: Operator) -> None:
    going_on: list[Any] = []

    async def apply() -> str:
        stop = operator.stop(Target.CALLS_OF_SERVICE, "leave")
        await asyncio.sleep(0)
        going_on.extend(operator.stops.going_on(stop))
        return "applied"

    (result,) = await results(asked(operator, leave(leave_apply=apply), "leave_apply"))
    assert result.text == "applied"
    (call,) = going_on
    assert (call.service, call.tool, call.subject, call.effect) == ("leave", "leave_apply", "alice", "write")
    assert (call.call_id, call.began_at) == ("call_1", NOW)
    assert operator.stops.going_on(operator.stop(Target.ALL_CALLS)) == []


async def test_call_that_only_reads_ends_at_once(operator: Operator) -> None:
    async def balance() -> str:
        operator.stop(Target.CALLS_OF_TOOL, "leave_balance")
        await asyncio.Event().wait()
        return "never"

    (result,) = await results(asked(operator, leave(leave_balance=balance), "leave_balance"))
    assert result.artifact["error"] == "calls_stopped"


async def test_stop_of_another_service_ends_no_call(operator: Operator) -> None:
    async def balance() -> str:
        operator.stop(Target.CALLS_OF_SERVICE, "expenses")
        await asyncio.sleep(0)
        return "12 days"

    (result,) = await results(asked(operator, leave(leave_balance=balance), "leave_balance"))
    assert result.text == "12 days"


async def test_call_that_is_started_again_ends_no_call(operator: Operator) -> None:
    async def balance() -> str:
        operator.start(Target.CALLS_OF_SERVICE, "leave")
        await asyncio.sleep(0)
        return "12 days"

    (result,) = await results(asked(operator, leave(leave_balance=balance), "leave_balance"))
    assert result.text == "12 days"


async def test_call_that_was_not_sent_yet_ends_although_it_would_change_something(operator: Operator) -> None:
    async def before() -> None:
        operator.stop(Target.CALLS_OF_SERVICE, "leave")
        await asyncio.Event().wait()

    service = leave(AMAP_KEY)
    service.before = before  # type: ignore[method-assign]  # a service that waits
    (result,) = await results(asked(operator, service, "leave_apply"))
    assert (result.artifact["error"], result.artifact["called"]) == ("calls_stopped", False)
    assert service.calls == []


async def test_call_that_must_be_sent_again_with_a_new_credential_is_not(operator: Operator) -> None:
    class StoppedMeanwhile(Vault):
        async def obtain(self, *arguments: Any) -> Any:
            credential = await super().obtain(*arguments)
            if self.invalidated:
                operator.stop(Target.CALLS_OF_SERVICE, "leave")
            return credential

    service = leave(AMAP_KEY)
    service.renew_first = True
    (result,) = await results(asked(operator, service, "leave_apply", credentials=StoppedMeanwhile()))
    assert result.artifact["error"] == "calls_stopped"
    assert service.calls == []


async def test_call_that_was_permitted_just_before_the_stop_is_not_sent(operator: Operator) -> None:
    class StoppedAtItsRecord:
        async def record(self, event: Any) -> None:
            if event.action == "tool_call" and event.outcome == "started":
                operator.stop(Target.CALLS_OF_SERVICE, "leave")

    service = leave()
    audit = AuditTrail(StoppedAtItsRecord())
    (result,) = await results(asked(operator, service, "leave_apply", audit=audit))
    assert result.artifact["error"] == "calls_stopped"
    assert service.calls == []


def test_rights_of_a_stopped_service_are_none(operator: Operator) -> None:
    user = User(Principal("https://idaas.example", "alice"), {})
    tool = ToolSchema("leave_apply", "", {})
    forecasts = [operator.stops.forecast("leave", tool, user, Allow()) for _ in range(2)]
    assert asyncio.run(forecasts[0]) == Allow()
    operator.stop(Target.CALLS_OF_USER, "alice")
    denied = asyncio.run(forecasts[1])
    assert isinstance(denied, Deny)
    assert denied.error == "calls_stopped"
