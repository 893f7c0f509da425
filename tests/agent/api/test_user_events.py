"""Requests of several user events: each event is judged by itself, and in doubt the user stays blocked."""

import functools
import json

import httpx
import pytest

from sandbox.addresses import PROVISIONING_PATH
from sandbox.idaas.account_synchronization import AccountSynchronization

pytestmark = pytest.mark.promise("revoked-refused")


@pytest.fixture
async def agent(start_agent, serve, sandbox, tmp_path):
    """An agent, and how IDaaS reports events to it; `agent.report(text)` is the status and the response."""
    synchronization = synchronization_of(sandbox.cloud)
    origin = await serve(synchronization.application())
    running = await start_agent(
        IDAAS_EVENTS_JWKS_ENDPOINT=f"{origin}{PROVISIONING_PATH}/jwks",
        REVOCATIONS_FILE=str(tmp_path / "revocations.sqlite"),
    )
    return Reported(running, sandbox, synchronization)


@functools.cache
def synchronization_of(cloud):
    """The sender of the sandbox's events: its key is made once for all tests."""
    return AccountSynchronization(cloud)


MAX_BODY_BYTES = 1_048_576
"""By default."""


class Reported:
    def __init__(self, running, sandbox, synchronization):
        self.running = running
        self.sandbox = sandbox
        self._synchronization = synchronization

    def event(self, kind, user="alice", ahead=0.0, **members):
        event = self._synchronization.event(f"ud:user:{kind}", self.sandbox.cloud.directory.users[user])
        event["eventTime"] = str(round((self.sandbox.clock.now + ahead) * 1000))
        given = {**event, "eventId": f"evnt_{kind}_{user}", **members}
        return {name: value for name, value in given.items() if value is not ...}

    def body(self, *events):
        return json.dumps(self._synchronization.request(*events)).encode()

    async def report(self, *events):
        """The status, and of each list its ids; an event is an object or a text in its place."""
        response = await self.send(self.body(*events))
        lists = response.json() if response.status_code == httpx.codes.OK else {}
        ids = {name: [event["eventId"] for event in listed] for name, listed in lists.items() if listed}
        return response.status_code, ids

    async def send(self, body):
        return await self.running.http.post(f"{self.running.origin}/events/idaas", content=body)

    async def blocked(self):
        """The users whose tokens are refused."""
        blocked = set()
        for user in ("alice", "bob"):
            headers = {"Authorization": f"Bearer {self.sandbox.access_token(user)}"}
            answer = await self.running.http.get(f"{self.running.origin}/openai/v1/models", headers=headers)
            blocked |= {user} if answer.status_code == httpx.codes.UNAUTHORIZED else set()
        return blocked


ODD = {
    "null": "null",
    "a text": '"evnt_odd"',
    "a list": "[[]]",
    "no JSON": '{"eventId":"evnt_odd",}',
    "two members of one name": '{"eventId":"evnt_odd","eventId":"evnt_odd"}',
    "a number of 5,000 digits": '{"eventId":"evnt_odd","eventTime":' + "7" * 5000 + "}",
    "nested deeply": '{"eventId":"evnt_odd","bizData":' + "[" * 500 + "]" * 500 + "}",
    "a lone surrogate": r'{"eventId":"evnt_odd","bizId":"\ud800"}',
    "no id": {"eventId": ..., "eventTime": ...},
    "a number as id": {"eventId": 7, "eventTime": ...},
    "no type": {"eventType": ...},
    "a number as type": {"eventType": 7},
    "no time": {"eventTime": ...},
    "a text as time": {"eventTime": "soon"},
    "no finite time": {"eventTime": "1e999"},
    "a number as bizId": {"bizId": 7},
    "a list as bizId": {"bizId": ["user_alice01"]},
    "a long bizId": {"bizId": "u" * 256},
    "another bizId than that of the record": {"bizId": "user_bob01"},
    "no user": {"bizId": ..., "bizData": "{}"},
    "no record": {"bizData": ...},
    "null as record": {"bizData": None},
    "an empty text as record": {"bizData": ""},
    "an empty record": {"bizData": "{}"},
    "a record without a status": {"bizData": '{"userId":"user_alice01"}'},
    "a list as record": {"bizData": "[]"},
    "a text as record": {"bizData": "soon"},
    "a number as record": {"bizData": 7},
    "a record with two members of one name": {"bizData": '{"status":"enabled","status":"enabled"}'},
    "an unknown status": {"bizData": '{"userId":"user_alice01","status":"frozen"}'},
    "an end of the lock that is no time": {"bizData": '{"lockExpireTime":"soon"}'},
}


async def test_odd_event_fails_alone_and_restores_nothing(agent):
    for odd, event_or_members in ODD.items():
        agent.sandbox.clock.advance(1)
        disable, after = agent.event("disable"), agent.event("disable", "bob")
        event = event_or_members
        if isinstance(event_or_members, dict):
            event = agent.event("enable", **{"eventId": "evnt_odd", **event_or_members})
        status, lists = await agent.report(disable, event, after)
        (failed,) = lists.pop("failedEvents")
        assert failed in ("evnt_odd", "7", ""), odd
        assert (status, lists) == (200, {"successEvents": ["evnt_disable_alice", "evnt_disable_bob"]}), odd
        assert await agent.blocked() == {"alice", "bob"}, odd
        agent.sandbox.clock.advance(1)
        await agent.report(agent.event("enable"), agent.event("enable", "bob"))
        assert await agent.blocked() == set(), odd


async def test_odd_event_that_blocks_is_in_force(agent):
    odd = agent.event("disable", eventTime=..., bizData="[]")
    bob = agent.event("lock", "bob", bizId=7, eventId=..., eventTime=agent.sandbox.clock.now * 1000 + 0.5)
    assert await agent.report(odd, bob) == (200, {"successEvents": ["evnt_disable_alice", ""]})
    assert await agent.blocked() == {"alice", "bob"}


async def test_events_that_affect_no_tokens_are_skipped_whatever_their_members_are(agent):
    group = agent.event(
        "x", eventType="urn:alibaba:idaas:app:event:ud:group:update", bizData="[]", eventTime=...
    )
    unknown = agent.event("unheard_of", bizId=7)
    assert await agent.report(group, agent.event("disable"), unknown) == (
        200,
        {"successEvents": ["evnt_disable_alice"], "skippedEvents": ["evnt_x_alice", "evnt_unheard_of_alice"]},
    )


@pytest.mark.parametrize(
    ("first", "ahead"),
    [("disable", 0.5), ("disable", 3600), ("disable", 1e9), ("enable", 3600), ("together", 3600)],
)
async def test_enable_dated_ahead_does_not_undo_a_disable_of_now(agent, ahead, first):
    disable, enable = agent.event("disable"), agent.event("enable", ahead=ahead)
    requests = {
        "disable": [[disable], [enable]],
        "enable": [[enable], [disable]],
        "together": [[enable, disable]],
    }
    lists = [await agent.report(*events) for events in requests[first]]
    assert await agent.blocked() == {"alice"}
    enabled = {"enable": 0, "disable": 1, "together": 0}[first]
    expected = "successEvents" if first == "enable" else "retriedEvents"
    assert "evnt_enable_alice" in lists[enabled][1][expected]
    # IDaaS sends it again: what was blocked long ago is restored.
    agent.sandbox.clock.advance(120)
    assert await agent.report(enable) == (200, {"successEvents": ["evnt_enable_alice"]})
    assert await agent.blocked() == set()


async def test_disable_dated_ahead_counts_as_now(agent):
    await agent.report(agent.event("disable", ahead=1e9))
    assert await agent.blocked() == {"alice"}
    agent.sandbox.clock.advance(1)
    assert await agent.report(agent.event("enable")) == (200, {"successEvents": ["evnt_enable_alice"]})
    assert await agent.blocked() == set()


async def test_request_of_1000_events_is_judged_and_one_of_more_is_not_called_unsigned(agent):
    record = json.dumps({"displayName": "x" * 350})
    users = [
        agent.event("disable", bizId=f"user_{n:03}", bizData=record, eventId=f"evnt_{n}") for n in range(998)
    ]
    events = [agent.event("disable"), *users, agent.event("disable", "bob")]
    assert 900_000 < len(agent.body(*events)) <= MAX_BODY_BYTES
    status, lists = await agent.report(*events)
    assert (status, len(lists["successEvents"])) == (200, 1000)
    assert await agent.blocked() == {"alice", "bob"}
    assert (await agent.report(*users, *users[:3]))[0] == httpx.codes.BAD_REQUEST


async def test_request_over_max_body_bytes_is_too_large(agent):
    response = await agent.send(b"x" * (MAX_BODY_BYTES + 1))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")
