"""The leave service's refusals over the wire: each changes nothing. Its tools show what it allows."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandbox.state.directory import AGENT, LEAVE_AUDIENCE

BASE = "/leave/applications"
CALLERS = {"audience": LEAVE_AUDIENCE, "permissions": ("leave.write",)}


@pytest.fixture
async def http(sandbox):
    base = sandbox.url("", "function_compute")
    async with httpx.AsyncClient(verify=sandbox.ssl_context, base_url=base) as client:
        yield client


@pytest.fixture
def call(sandbox, http):
    """Sends a request as a user."""

    async def send(method, path=BASE, body=None, user="alice", **token):
        headers = {"Authorization": f"Bearer {sandbox.access_token(user, **(CALLERS | token))}"}
        return await http.request(method, path, json=body, headers=headers)

    return send


@pytest.fixture
def day(sandbox):
    """The date so many days from now."""
    today = datetime.fromtimestamp(sandbox.clock(), UTC).date()
    return lambda ahead: (today + timedelta(days=ahead)).isoformat()


@pytest.fixture
def wish(day):
    """Three days of leave, a week from now."""
    return {"days": 3, "from": day(7)}


async def test_employees_see_and_cancel_their_own_applications_only(call, day, wish):
    await call("POST", body=wish)
    assert (await call("GET", user="bob")).json()["applications"] == []
    assert (await call("DELETE", f"{BASE}/{day(7)}", user="bob")).json()["error"] == "unknown_application"
    assert len((await call("GET")).json()["applications"]) == 1


@pytest.mark.parametrize(
    ("members", "status", "error"),
    [
        ({"days": 13, "from": 30}, 409, "insufficient_balance"),
        ({"days": 1, "from": 20}, 409, "overlapping_leave"),  # her approved leave begins in 18 days
        ({"from": -1}, 400, "invalid_dates"),
        ({"from": 367}, 400, "invalid_dates"),
        ({"from": "Monday"}, 400, "invalid_request"),
        ({"from": None}, 400, "invalid_request"),
        ({"days": 0}, 400, "invalid_request"),
        ({"days": True}, 400, "invalid_request"),
        ({"reason": "a" * 501}, 400, "invalid_request"),
    ],
)
async def test_application_that_cannot_be_granted_changes_nothing(call, day, wish, members, status, error):
    body = wish | members
    body["from"] = day(body["from"]) if isinstance(body["from"], int) else body["from"]
    refused = await call("POST", body=body)
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert (await call("GET")).json()["days_left"] == 12


async def test_leave_that_is_no_application_or_has_begun_cannot_be_cancelled(sandbox, call, day, wish):
    refused = await call("DELETE", f"{BASE}/{day(18)}")
    assert (refused.status_code, refused.json()["error"]) == (404, "unknown_application")
    assert (await call("DELETE", f"{BASE}/Monday")).status_code == 400
    await call("POST", body=wish | {"from": day(0)})
    sandbox.clock.advance(86_400)
    assert (await call("DELETE", f"{BASE}/{day(0)}")).json()["error"] == "already_begun"


async def test_permission_to_read_and_the_agents_own_name_change_nothing(call, day, wish):
    for method, path in (("POST", BASE), ("DELETE", f"{BASE}/{day(7)}")):
        refused = await call(method, path, wish, permissions=("leave.read",))
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert (await call("GET", permissions=("leave.read",))).status_code == 200
    refused = await call("POST", body=wish, sub=AGENT)
    assert (refused.status_code, refused.json()["error"]) == (403, "person_required")
