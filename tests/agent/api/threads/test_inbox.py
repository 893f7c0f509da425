"""Another person decides: who may, what they see, and that one decision counts, at every replica."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.verifier import LEEWAY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls

pytestmark = pytest.mark.promise("another-decides")

POLICY = 'maps_weather = { effect = "write", approvers = "finance" }'
WEATHER = calls(("maps_weather", {"city": "Hangzhou"}))
APPROVE, REJECT = {"decision": "approve"}, {"decision": "reject"}
MEMBERS = {"bob": ["finance"], "carol": ["finance", "staff"], "alice": ["finance"], "mallory": ["staff"]}


@pytest.fixture
def replica(threads: ThreadsOf, tmp_path: Path) -> ThreadsOf:
    """A replica at which a member of `finance` approves calls of the weather tool."""
    file = tmp_path / "services.toml"
    file.write_text(f'[services.amap]\ntype = "built-in"\npolicies = {{ {POLICY} }}\n')
    settings = {"SERVICES_FILE": str(file), "REVOCATIONS_FILE": str(tmp_path / "revocations")}

    async def start(turns: Any = (WEATHER, DONE), **variables: str) -> Threads:
        more = {"ACCESS_IDENTITY": "Human", "CALLER_CLAIMS": "groups", **settings, **variables}
        served = await threads(turns, **more)
        for user, groups in MEMBERS.items():
            who = {} if user in ("alice", "bob") else {"sub": f"user_{user}"}
            served.tokens[user] = served.sandbox.access_token(
                "alice" if user == "alice" else "bob", groups=groups, **who
            )
        return served

    return start


async def asked(served: Threads) -> str:
    """The id of the approval that alice's conversation waits for."""
    await served.say("The weather?")
    [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    assert (approval["approvers"], approval["lasting"]) == ("finance", None)
    return str(approval["id"])


async def inbox(served: Threads, user: str) -> list[dict[str, Any]]:
    return list((await served.ask("GET", "/approvals", user)).json()["asked"])


def explained(about: str, *logs: Path) -> list[str]:
    """The lines of `idaas-agent audit explain`."""
    arguments = ["audit", "explain", about, *map(str, logs)]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "500"}).stdout.splitlines()


async def continued(served: Threads) -> tuple[str, str]:
    """The status of alice's conversation and the result of its call, after she has continued it."""
    assert (await served.ask("POST", "/threads/thread-1/continue")).status_code == 202
    async with served.stream("GET", "/threads/thread-1/events") as events:
        await events.aread()
    thread = (await served.ask("GET", "/threads/thread-1")).json()
    results = [message["content"] for message in thread["messages"] if message["role"] == "tool"]
    return thread["status"], "".join(results)


async def test_decision_with_a_token_that_has_just_expired_or_written_twice_leaves_it_open(
    replica: ThreadsOf,
) -> None:
    served = await replica()
    approval_id = await asked(served)
    fresh = served.tokens["bob"]
    path, twice = f"/approvals/{approval_id}", '{"decision": "reject", "decision": "approve"}'
    refused = await served.http.post(served.origin + path, content=twice, headers=served.headers("bob"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")
    served.tokens["bob"] = served.sandbox.access_token("bob", groups=["finance"], lifetime=-round(LEEWAY / 2))
    for body in (REJECT, APPROVE):
        late = await served.ask("POST", path, "bob", body)
        assert (late.status_code, late.json()["error"]["code"]) == (401, "sign_in_required")
    served.tokens["bob"] = fresh
    assert [each["id"] for each in await inbox(served, "bob")] == [approval_id]
    assert (await served.ask("POST", path, "bob", APPROVE)).status_code == 204


async def test_member_of_the_group_sees_this_call_only_and_approves_it_at_another_replica(
    replica: ThreadsOf, tmp_path: Path
) -> None:
    logs = [tmp_path / f"audit-{n}.jsonl" for n in range(3)]
    first, second, third = [
        await replica(turns, AUDIT_LOG_FILE=str(log), AUDIT_REQUIRED="true")
        for turns, log in zip(([WEATHER], [DONE], [DONE]), logs, strict=True)
    ]
    approval_id = await asked(first)
    [shown] = await inbox(second, "bob")
    assert (shown["id"], shown["arguments"], shown["thread_id"], shown["call_id"]) == (
        *(approval_id, {"city": "Hangzhou"}, ""),
        "",
    )
    alice = (await first.agent.verifier.verify(first.tokens["alice"])).principal
    assert shown["asker"] == {"iss": alice.issuer, "sub": alice.subject}
    assert "The weather?" not in json.dumps(shown)
    waits = await second.ask("POST", "/threads/thread-1/continue")
    assert (waits.status_code, waits.json()["error"]["code"]) == (409, "approval_open")
    own = (await second.ask("GET", "/approvals")).json()
    assert (own["asked"], [each["id"] for each in own["own"]]) == ([], [approval_id])

    assert (await second.ask("POST", f"/approvals/{approval_id}", "bob", APPROVE)).status_code == 204
    assert await inbox(third, "bob") == []
    await third.ask("POST", f"/threads/thread-1/approvals/{approval_id}", "alice", REJECT)  # decides nothing
    async with third.stream("GET", "/threads/thread-1/events") as events:
        await events.aread()
    thread = (await third.ask("GET", "/threads/thread-1")).json()
    status, result = thread["status"], str([each for each in thread["messages"] if each["role"] == "tool"])
    assert status == "idle"
    assert "杭州" in result
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines() if approval_id in line]
    subjects = {line["event"]: line["principal"]["sub"] for line in lines}
    bob = (await first.agent.verifier.verify(first.tokens["bob"])).principal.subject
    expected = {"approval_requested": alice.subject, "approval_decided": bob, "tool_call": alice.subject}
    assert subjects == expected
    [call_id] = {line["call_id"] for line in lines}
    shown = explained(call_id, *logs)
    assert [each.split()[1:4] for each in shown] == [
        ["succeeded", "approval_requested", alice.subject],
        ["succeeded", "approval_decided", bob],
        ["started", "tool_call", alice.subject],
        ["succeeded", "tool_call", alice.subject],
    ]
    assert all(f"approval={approval_id}" in each for each in shown)


async def test_neither_the_asker_nor_another_group_decides_on_any_surface(replica: ThreadsOf) -> None:
    served = await replica()
    approval_id = await asked(served)
    assert await inbox(served, "mallory") == []
    assert await inbox(served, "alice") == []
    payload = {"interruptId": approval_id, "status": "resolved", "payload": {"approved": True}}
    ag_ui = {"threadId": "thread-1", "runId": "r", "messages": [], "resume": [payload]}
    own = f"/threads/thread-1/approvals/{approval_id}"
    attempts = [
        await served.ask("POST", f"/approvals/{approval_id}", "alice", APPROVE),
        await served.ask("POST", f"/approvals/{approval_id}", "mallory", APPROVE),
        await served.ask("POST", "/approvals/unknown", "bob", APPROVE),
        await served.ask("POST", own, "alice", APPROVE),
        await served.ask("POST", own, "alice", REJECT),
        await served.ask("POST", "/ag-ui/agent", "alice", ag_ui),
    ]
    codes = {(each.status_code, each.json()["error"]["code"]) for each in attempts}
    assert codes == {(409, "approval_invalid")}
    for other in (own, "/threads/thread-1"):
        assert (await served.ask("POST" if other == own else "GET", other, "bob", APPROVE)).status_code == 404
    edit = {"decision": "approve", "arguments": {"city": "Beijing"}}
    assert (await served.ask("POST", f"/approvals/{approval_id}", "bob", edit)).status_code == 400
    assert [each["id"] for each in await inbox(served, "bob")] == [approval_id]


async def test_of_two_approvers_and_a_cancellation_at_once_one_decision_counts(replica: ThreadsOf) -> None:
    served = [await replica(), await replica([DONE])]
    approval_id = await asked(served[0])
    path = f"/approvals/{approval_id}"
    decided = await asyncio.gather(
        served[0].ask("POST", path, "bob", APPROVE),
        served[1].ask("POST", path, "carol", REJECT),
        served[1].ask("POST", path, "bob", APPROVE),
    )
    codes = Counter(each.json()["error"]["code"] if each.content else None for each in decided)
    assert codes == {None: 1, "approval_used": 2}
    late = (await served[0].ask("POST", path, "bob", APPROVE)).json()["error"]
    assert late["decided_by"] in ("user_bob01", "user_carol")
    assert ("decided_on" in late) is (late["decided_by"] == "user_bob01")
    status, result = await continued(served[1])
    assert (status, "杭州" in result) == ("idle", decided[1].status_code != 204)


@pytest.mark.parametrize("end", ["cancel", "delete", "expire"])
async def test_question_that_was_withdrawn_or_has_expired_is_not_decided(
    replica: ThreadsOf, end: str
) -> None:
    served = await replica()
    approval_id = await asked(served)
    if end == "cancel":
        await served.ask("POST", "/threads/thread-1/cancel")
    elif end == "delete":
        await served.ask("DELETE", "/threads/thread-1")
    else:
        served.sandbox.clock.advance(601)
    late = await served.ask("POST", f"/approvals/{approval_id}", "bob", APPROVE)
    code = "approval_expired" if end == "expire" else "approval_used"
    assert (late.status_code, late.json()["error"]["code"]) == (409, code)
    assert await inbox(served, "bob") == []


@pytest.mark.parametrize("changes", [((5, 5), (6, None)), ((0, 0),)], ids=["restored", "late event"])
async def test_decision_of_an_approver_whose_rights_change_before_the_call_is_void(
    replica: ThreadsOf, changes: Any
) -> None:
    served = await replica()
    approval_id, asked_at = await asked(served), served.sandbox.clock()
    bob = (await served.agent.verifier.verify(served.tokens["bob"])).principal.subject
    served.sandbox.clock.advance(5)
    await served.ask("POST", f"/approvals/{approval_id}", "bob", APPROVE)
    for after, ends in changes:
        at, until = asked_at + after, None if ends is None else asked_at + ends
        await served.agent.revocation.put([Revocation(Target.USER, bob, Origin.IDAAS, until, at)])
    _, result = await continued(served)
    assert "not run" in result


async def test_rejection_ends_the_call_and_is_read_by_the_model(replica: ThreadsOf) -> None:
    served = await replica()
    approval_id = await asked(served)
    assert (await served.ask("POST", f"/approvals/{approval_id}", "bob", REJECT)).status_code == 204
    status, result = await continued(served)
    assert (status, "Another person, whom the policy asks, declined this call." in result) == ("idle", True)


@pytest.fixture
def managed(replica: ThreadsOf, tmp_path: Path) -> ThreadsOf:
    """A replica at which the manager of the user, whom a claim names, approves."""

    async def start(turns: Any = (WEATHER, DONE), *, manager: Any = "user_bob01") -> Threads:
        file = tmp_path / "services.toml"
        file.write_text(file.read_text().replace('"finance"', '"claim:manager"'))
        served = await replica(turns, CALLER_CLAIMS="groups manager")
        named = {} if manager is None else {"manager": manager}
        served.tokens["alice"] = served.sandbox.access_token("alice", groups=["finance"], **named)
        person = {"sub": "user_carol", "groups": ["finance", "sub:user_bob01"]}
        served.tokens["carol"] = served.sandbox.access_token("bob", **person)
        return served

    return start


async def test_person_whom_a_claim_of_the_user_names_approves_and_no_one_else(managed: ThreadsOf) -> None:
    served = await managed()
    await served.say("The weather?")
    [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    assert approval["approvers"] == "sub:user_bob01"
    path = f"/approvals/{approval['id']}"
    for other in ("alice", "carol", "mallory"):
        assert await inbox(served, other) == []
        refused = await served.ask("POST", path, other, APPROVE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_invalid")
    assert [each["id"] for each in await inbox(served, "bob")] == [approval["id"]]
    assert (await served.ask("POST", path, "bob", APPROVE)).status_code == 204
    status, result = await continued(served)
    assert (status, "杭州" in result) == ("idle", True)


@pytest.mark.parametrize("manager", [None, "", "user_alice01", ["user_bob01"]])
async def test_call_is_denied_if_the_claim_names_no_other_person(managed: ThreadsOf, manager: Any) -> None:
    served = await managed(manager=manager)
    await served.say("The weather?")
    thread = (await served.ask("GET", "/threads/thread-1")).json()
    [result] = [message["content"] for message in thread["messages"] if message["role"] == "tool"]
    assert (thread["approvals"], result) == (
        [],
        "not run: another person must approve the call, and the access token does not say who",
    )
    [amap] = [
        each for each in (await served.ask("GET", "/rights")).json()["services"] if each["name"] == "amap"
    ]
    assert {tool["decision"] for tool in amap["tools"] if tool["name"] == "maps_weather"} == {"deny"}


READ_ADDRESS = calls(("maps_geo", {"address": "Hangzhou"}))
CONFIDENTIAL_ADDRESS = 'maps_geo = { effect = "read", data = "confidential" }'


@pytest.mark.promise("confidential-data-stays")
@pytest.mark.parametrize(
    ("unlabelled", "labelled"),
    [
        (POLICY, f"{POLICY}, {CONFIDENTIAL_ADDRESS}"),
        ('type = "built-in"', 'type = "built-in"\ndata = "confidential"'),
    ],
    ids=["tool", "service"],
)
async def test_what_was_read_reaches_an_approver_only_after_its_user_has_agreed(
    replica: ThreadsOf, tmp_path: Path, unlabelled: str, labelled: str
) -> None:
    file = tmp_path / "services.toml"
    file.write_text(file.read_text().replace(unlabelled, labelled))
    served = await replica([READ_ADDRESS, WEATHER, DONE])
    await served.say("The weather there?")
    [own] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    assert (own["approvers"], own["read"]) == (None, ["amap.maps_geo: confidential, untrusted"])
    assert await inbox(served, "bob") == []
    early = await served.ask("POST", f"/approvals/{own['id']}", "bob", APPROVE)
    assert (early.status_code, early.json()["error"]["code"]) == (409, "approval_invalid")

    await served.ask("POST", f"/threads/thread-1/approvals/{own['id']}", body=APPROVE)
    async with served.stream("GET", "/threads/thread-1/events") as events:
        await events.aread()
    [asked_of_others] = await inbox(served, "bob")
    assert asked_of_others["id"] != own["id"]
    assert asked_of_others["arguments"] == {"city": "Hangzhou"}
    path = f"/approvals/{asked_of_others['id']}"
    assert (await served.ask("POST", path, "bob", APPROVE)).status_code == 204
    status, result = await continued(served)
    assert (status, "杭州" in result) == ("idle", True)
