"""`AUDIT_FORMAT=ocsf`: each record is an event of OCSF 1.8.0, and the proof of the log stays."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from agent.operations.audit.chain import audit_record, record_of
from agent.operations.audit.file_destination import AuditFile
from agent.operations.audit.log import AuditLog
from agent.operations.audit.ocsf import ocsf_event
from agent.operations.audit.syslog import syslog_message
from agent.operations.audit.verify import verify
from identity.audit.event import AuditedAction, AuditEvent, AuditOutcome, Ruled
from identity.error_codes import IdentityCode
from identity.principal import AccessIdentity, Principal
from tests.agent.operations.audit.audit_lines import KEY, KINDS, event, found, lines_of, put_lines

pytestmark = pytest.mark.promise("on-record")

CHAIN = {"process": "5f1c09d2a7b3e846", "seq": 7, "previous": "ab" * 32, "key": None}
REQUIRED = {  # of the classes, as schema.ocsf.io/1.8.0 has them
    3002: {"user", "service"},
    3005: {"user", "privileges"},
    6003: {"actor", "api", "src_endpoint"},
}
ALWAYS = {"time", "class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "metadata"}
WHOLE = AuditEvent(
    time=1_795_526_961.25,
    action=AuditedAction.TOOL_CALL,
    outcome=AuditOutcome.STARTED,
    request_id="0123456789abcdef",
    principal=Principal("https://idaas.example", "alice"),
    token_hash="cd" * 16,
    client="app_agent01",
    access_identity=AccessIdentity.HUMAN,
    audience="https://expenses.example",
    scope="submit",
    credential="key_1",
    service="expenses",
    tool="submit_expense",
    effect="write",
    call_id="call_1",
    approval="a" * 32,
    arguments_digest="ef" * 32,
    ruled=Ruled(policy="12" * 32, rules=("daily", "four-eyes")),
    read=("payroll.payslip: confidential",),
    error=IdentityCode.ACCESS_REVOKED,
    duration=0.5,
)


def mapped(**members: Any) -> dict[str, Any]:
    return ocsf_event(audit_record(replace(WHOLE, **members)) | CHAIN)


@pytest.mark.parametrize(("action", "outcome"), [*product(AuditedAction, AuditOutcome)])
def test_event_has_what_its_class_requires(action: AuditedAction, outcome: AuditOutcome) -> None:
    bare = AuditEvent(time=1.0, action=action, outcome=outcome)
    for given in (replace(WHOLE, action=action, outcome=outcome), bare):
        made = ocsf_event(audit_record(given) | CHAIN)
        assert made.keys() >= ALWAYS | REQUIRED[made["class_uid"]]
        assert made["type_uid"] == made["class_uid"] * 100 + made["activity_id"]
        assert made["category_uid"] == made["class_uid"] // 1000
        assert made["metadata"]["version"] == "1.8.0"
        assert {"name", "vendor_name", "version"} <= made["metadata"]["product"].keys()
        assert ("action_id" in made) == ("security_control" in made["metadata"]["profiles"])
        assert None not in made.values()
        assert [*made][:: len(made) - 1] == ["time", "unmapped"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"action": AuditedAction.AUTHENTICATION},
            {"class_uid": 3002, "activity_id": 1, "auth_protocol_id": 6},
        ),
        ({"action": AuditedAction.TOKEN_EXCHANGE}, {"class_uid": 3002, "activity_id": 4}),
        ({"action": AuditedAction.API_KEY_ISSUE}, {"class_uid": 6003, "activity_id": 1}),
        ({"effect": "read"}, {"class_uid": 6003, "activity_id": 2, "status_id": 99, "disposition_id": 1}),
        (
            {"effect": "write", "outcome": AuditOutcome.REFUSED},
            {"activity_id": 3, "status_id": 2, "action_id": 2},
        ),
        ({"effect": "external"}, {"activity_id": 99}),
        ({"ruled": Ruled(policy="1" * 64, observed="deny")}, {"action_id": 3, "disposition_id": 17}),
        (
            {"outcome": AuditOutcome.REFUSED, "ruled": Ruled(policy="1" * 64, observed="allow")},
            {"action_id": 2, "disposition_id": 2},
        ),
        (
            {"action": AuditedAction.APPROVAL_REQUESTED, "outcome": AuditOutcome.SUCCEEDED},
            {"disposition_id": 23},
        ),
        (
            {"action": AuditedAction.APPROVAL_DECIDED, "outcome": AuditOutcome.SUCCEEDED},
            {"disposition_id": 8},
        ),
        ({"action": AuditedAction.APPROVAL_DECIDED, "outcome": AuditOutcome.REFUSED}, {"disposition_id": 25}),
        (
            {"action": AuditedAction.ACCESS_REVOKED, "outcome": AuditOutcome.SUCCEEDED},
            {"class_uid": 3005, "activity_id": 2, "disposition_id": 24},
        ),
        (
            {"action": AuditedAction.MODEL_CALL, "model": "qwen-plus", "input_tokens": 3},
            {"class_uid": 6003, "ai_model": {"ai_provider": "openai", "name": "qwen-plus"}},
        ),
    ],
)
def test_mapping_is_the_documented_one(members: dict[str, Any], expected: dict[str, Any]) -> None:
    assert mapped(**members).items() >= expected.items()


def test_event_says_who_called_what_under_which_policy() -> None:
    made = mapped()
    assert made["actor"]["user"] == {"uid": "alice", "domain": "https://idaas.example"}
    assert made["api"] == {
        "operation": "submit_expense",
        "service": {"name": "expenses"},
        "request": {"uid": "call_1"},
    }
    assert made["policy"] == {"uid": "12" * 32, "name": "daily, four-eyes"}
    assert (made["metadata"]["uid"], made["metadata"]["correlation_uid"], made["duration"]) == (
        "5f1c09d2a7b3e846:7",
        "0123456789abcdef",
        500,
    )


def test_event_has_no_text_that_the_record_does_not_have() -> None:
    def texts(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set().union(*(texts(each) for each in value.values()))
        return set().union(*map(texts, value)) if isinstance(value, list) else {str(value)}

    plain, own = mapped(), texts(audit_record(WHOLE) | CHAIN)
    fixed = texts(mapped(**dict.fromkeys(("principal", "service", "tool", "call_id", "error", "ruled"))))
    assert texts(plain["unmapped"]) <= own
    joined = {"5f1c09d2a7b3e846:7", "daily, four-eyes", "500", "1795526961250"}
    assert {each for each in texts(plain) - own - joined if not each.isdigit()} <= fixed


async def test_log_in_this_format_is_verified_like_any_other_and_may_follow_another(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    for ocsf in (False, True):
        log = AuditLog(AuditFile(file), key=KEY, required=True, ocsf=ocsf, clock=lambda: WHOLE.time)
        await log.record(WHOLE)
        await log.record(event("call_2"))
        await log.aclose()
    lines = lines_of(file)
    result = verify([file], [KEY])
    assert (result.findings, result.lines, len(result.chains)) == ([], 8, 2)
    first, second = (record_of(lines[number].encode()) for number in (1, 5))
    assert first is not None
    assert second is not None
    assert {name: first[name] for name in audit_record(WHOLE)} == {
        name: second[name] for name in audit_record(WHOLE)
    }
    assert json.loads(lines[5])["class_uid"] == 6003
    message = syslog_message(lines[5], "host", 1)
    assert b" - host idaas-agent 1 tool_call - {" in message

    for changed in (
        lines[5].replace('"status":"started"', '"status":"refused"'),
        lines[5].replace('"service":"expenses"', '"service":"payroll"'),
        lines[5].replace('"activity_id":3', '"activity_id":2'),
    ):
        put_lines(file, [*lines[:5], changed, *lines[6:]])
        assert changed != lines[5]
        assert found(verify([file], [KEY])) == [(6, KINDS.CHANGED)]
    put_lines(file, [*lines[:5], *lines[6:]])
    assert found(verify([file], [KEY])) == [(6, KINDS.REMOVED)]


@pytest.mark.parametrize(
    "text", [b'{"time":1,"unmapped":{"event":"x"}', b'{"time":{},"unmapped":{}}', b"[]", b"1"]
)
def test_line_that_is_no_record_in_either_format_is_none(text: bytes) -> None:
    assert record_of(text) is None
