"""Approvals that last, over `/threads` and `/grants`: what they cover, and what ends them."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from identity.access_token.revocation import Origin, Revocation, Target
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES

pytestmark = pytest.mark.promise("grants-are-bounded")

POLICY = 'effect = "{effect}", lasting = {{ seconds = 3600, conversation_only = {only}, bounds = {bounds} }}'
CITIES = '{ city = { one_of = ["Hangzhou", "Shanghai"] } }'


def weather(city: str = "Hangzhou") -> Any:
    return calls(("maps_weather", {"city": city}))


@pytest.fixture
def replica(threads: ThreadsOf, tmp_path: Path) -> ThreadsOf:
    """A replica whose weather tool asks, and offers grants."""

    async def start(
        turns: Any, *, effect: str = "write", only: str = "false", bounds: str = CITIES, **variables: str
    ) -> Threads:
        file = tmp_path / f"services-{effect}-{only}.toml"
        policy = POLICY.format(effect=effect, only=only, bounds=bounds)
        file.write_text(
            f'[services.amap]\ntype = "built-in"\npolicies = {{ maps_weather = {{ {policy} }} }}\n'
        )
        of_test = {"SERVICES_FILE": str(file), "REVOCATIONS_FILE": str(tmp_path / "revocations")}
        settings = {"ACCESS_IDENTITY": "Human", **of_test, **variables}
        return await threads(turns, **settings)

    return start


async def asked(served: Threads, thread: str = "thread-1", user: str = "alice") -> list[dict[str, Any]]:
    """The approvals for which the conversation waits after a message."""
    await served.say("The weather?", thread, user)
    return list((await served.ask("GET", f"/threads/{thread}", user)).json()["approvals"])


async def answered(
    served: Threads, approval: dict[str, Any], lasting: Any, user: str = "alice", **members: Any
) -> Any:
    """The response to an approval; its run has ended."""
    thread = approval["thread_id"]
    body = {"decision": "approve", "lasting": lasting, **members}
    response = await served.ask("POST", f"/threads/{thread}/approvals/{approval['id']}", user, body)
    async with served.stream("GET", f"/threads/{thread}/events", user) as events:
        await events.aread()
    return response


async def grants(served: Threads, user: str = "alice") -> list[dict[str, Any]]:
    return list((await served.ask("GET", "/grants", user)).json()["grants"])


async def grants_of_calls(served: Threads) -> dict[str, Any]:
    """What `/calls` says of the grants of the calls, by their cities."""
    listed = (await served.ask("GET", "/calls")).json()["calls"]
    decided = {call["arguments"]["city"]: call["decisions"] for call in listed}
    return {city: decision["grant"] for city, [decision] in decided.items()}


async def test_grant_covers_calls_within_its_bounds_and_is_listed_counted_and_audited(
    replica: ThreadsOf, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    turns = [weather(), DONE, weather("Shanghai"), weather("Beijing"), DONE]
    served = await replica(turns, AUDIT_LOG_FILE=str(log), AUDIT_REQUIRED="true")
    [approval] = await asked(served)
    offered = {
        "seconds": 3600,
        "conversation_only": False,
        "bounds": {"city": {"one_of": ["Hangzhou", "Shanghai"]}},
    }
    display = [{"name": "city", "label": "city", "text": "Hangzhou, Shanghai"}]
    assert approval["lasting"] == offered | {"display": display}
    assert (await answered(served, approval, approval["lasting"])).status_code == 202
    [again] = await asked(served, "thread-2")

    assert again["arguments"] == {"city": "Beijing"}
    assert "上海" in str([each.content for each in served.model.asked[-1] if each.type == "tool"])
    [grant] = await grants(served)
    assert (grant["id"], grant["uses"], grant["thread_id"]) == (approval["id"], 1, None)
    covered_by = {"id": grant["id"], "given_at": grant["created_at"], "ends_at": grant["ends_at"]}
    assert await grants_of_calls(served) == {"Hangzhou": None, "Shanghai": covered_by, "Beijing": None}
    exported = (await served.ask("GET", "/threads/thread-2/export")).json()["approvals"]
    by_id = {approval["id"]: approval["grant"] for approval in exported}
    assert (by_id.pop(again["id"]), [*by_id.values()]) == (None, [covered_by])
    assert (await served.ask("DELETE", f"/grants/{grant['id']}")).status_code == 204
    assert (await grants_of_calls(served))["Shanghai"] == covered_by
    assert grant["created_at"] <= grant["last_used_at"] < grant["ends_at"]
    assert (grant["bounds"], grant["tool"], grant["access_identity"]) == (
        offered["bounds"],
        "maps_weather",
        "Human",
    )
    lines = [line for line in log.read_text().splitlines() if approval["id"] in line]
    events = [line.split('"event":"')[1].split('"')[0] for line in lines]
    assert events == [
        "approval_requested",
        "approval_decided",
        "grant_given",
        *["tool_call"] * 4,
        "grant_withdrawn",
    ]
    shown = CliRunner().invoke(app, ["audit", "explain", approval["id"], str(log), "--json"]).stdout
    assert [json.loads(line)["event"] for line in shown.splitlines()] == events


@pytest.mark.parametrize(
    "lasting",
    [
        {"seconds": 3601},
        {"conversation_only": False},
        {"bounds": {"city": {"prefix": "H"}}},
        {"bounds": {"city": {"one_of": ["Hangzhou", "Beijing"]}}},
        {"bounds": {"other": {"equal": 1}}},
        {"uses": 5},
    ],
)
async def test_answer_that_grants_more_than_was_offered_is_refused_and_leaves_the_approval_open(
    replica: ThreadsOf, lasting: Any
) -> None:
    served = await replica([weather(), DONE], effect="external", only="true")
    [approval] = await asked(served)
    assert approval["lasting"]["conversation_only"] is True
    refused = await served.ask(
        "POST",
        f"/threads/thread-1/approvals/{approval['id']}",
        body={"decision": "approve", "lasting": lasting},
    )
    resume = [
        {
            "interruptId": approval["id"],
            "status": "resolved",
            "payload": {"approved": True, "lasting": lasting},
        }
    ]
    ag_ui = {"threadId": "thread-1", "runId": "r", "messages": [], "resume": resume}
    also = await served.ask("POST", "/ag-ui/agent", body=ag_ui)

    codes = [(each.status_code, each.json()["error"]["code"]) for each in (refused, also)]
    assert codes == [(409, "approval_invalid")] * 2
    assert (await served.ask("GET", "/threads/thread-1")).json()["approvals"] == [approval]
    assert await grants(served) == []


async def test_grant_is_refused_where_the_policy_offers_none(threads: ThreadsOf) -> None:
    served = await threads([APPLIES, DONE], ACCESS_IDENTITY="Human")
    [approval] = await asked(served)
    assert approval["lasting"] is None
    refused = await answered(served, approval, {})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_invalid")


async def test_grant_of_one_conversation_ends_with_it_and_covers_no_other(replica: ThreadsOf) -> None:
    served = await replica([weather(), DONE, weather(), DONE, weather()])
    [approval] = await asked(served)
    await answered(served, approval, {"conversation_only": True, "bounds": {"city": {"equal": "Hangzhou"}}})
    assert await asked(served) == []
    assert len(await asked(served, "thread-2")) == 1
    assert [each["thread_id"] for each in await grants(served)] == ["thread-1"]
    await served.ask("DELETE", "/threads/thread-1")
    await served.ask("POST", "/threads/thread-1/restore")
    assert await grants(served) == []


async def test_withdrawn_grant_covers_nothing_at_another_replica_at_once(replica: ThreadsOf) -> None:
    first, second = await replica([weather(), DONE]), await replica([weather()])
    [approval] = await asked(first)
    await answered(first, approval, {})
    path = f"/grants/{approval['id']}"

    assert (await second.ask("DELETE", path, "bob")).status_code == 404
    assert await grants(second, "bob") == []
    assert (await second.ask("DELETE", path)).status_code == 204
    assert (await second.ask("DELETE", path)).status_code == 404
    assert len(await asked(second)) == 1


@pytest.mark.parametrize("target", [Target.USER, Target.ALL, Target.TOKEN])
async def test_revocation_ends_grants_also_if_access_is_restored(replica: ThreadsOf, target: Target) -> None:
    served = await replica([weather(), DONE, weather()])
    [approval] = await asked(served)
    await answered(served, approval, {})
    assert len(await grants(served)) == 1
    caller = await served.agent.verifier.verify(served.tokens["alice"])
    name = {Target.USER: caller.principal.subject, Target.TOKEN: caller.fingerprint, Target.ALL: ""}[target]
    now = served.sandbox.clock()
    for at, until in ((now, now), (now + 1, None)):
        await served.agent.revocation.put([Revocation(target, name, Origin.OPERATOR, until, at)])
    if target is not Target.TOKEN:
        assert await grants(served) == []
    served.sandbox.clock.advance(60)
    served.tokens.clear()
    assert await grants(served) == []
    assert len(await asked(served)) == 1


async def test_operator_sees_and_ends_grants_by_a_command(replica: ThreadsOf, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await replica([weather(), DONE, weather()], AUDIT_LOG_FILE=str(log), AUDIT_REQUIRED="true")
    served.sandbox.clock.advance(time.time() - served.sandbox.clock())
    [approval] = await asked(served)
    await answered(served, approval, {})
    command = partial(served.command, "grants")
    shown = json.loads((await command()).stdout)
    assert (shown["id"], shown["bounds"]) == (approval["id"], (await grants(served))[0]["bounds"])
    assert "no grant" in (await command("--user", "mallory")).stdout
    assert (await command("--withdraw", "unknown")).exit_code == 1
    withdrawn = await command("--user", shown["user"], "--withdraw", approval["id"])
    assert (withdrawn.exit_code, await grants(served)) == (0, [])
    [line] = [json.loads(line) for line in log.read_text().splitlines() if '"grant_withdrawn"' in line]
    assert (line["approval"], line["client"], line["principal"]["sub"]) == (
        shown["id"],
        "operator",
        shown["user"],
    )
    assert len(await asked(served)) == 1


async def test_grant_that_is_wider_than_todays_offer_is_listed_nowhere_and_can_be_withdrawn(
    replica: ThreadsOf,
) -> None:
    first = await replica([weather(), DONE])
    first.sandbox.clock.advance(time.time() - first.sandbox.clock())
    [approval] = await asked(first)
    await answered(first, approval, {})
    tighter = await replica([], bounds='{ city = { one_of = ["Hangzhou"] } }')
    assert [await grants(tighter), (await tighter.ask("GET", "/rights")).json()["grants"]] == [[], []]
    assert "no grant" in (await tighter.command("grants")).stdout
    assert (await tighter.command("grants", "--withdraw", approval["id"])).exit_code == 0
    assert await grants(first) == []


async def test_grant_ends_in_time(replica: ThreadsOf) -> None:
    served = await replica([weather(), DONE, weather(), DONE, weather()])
    [approval] = await asked(served)
    await answered(served, approval, {"seconds": 100})
    assert await asked(served) == []
    served.sandbox.clock.advance(100)
    assert len(await asked(served)) == 1
    assert await grants(served) == []
