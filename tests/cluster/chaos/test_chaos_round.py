"""Calls in audit logs are counted once, in the round in which they began."""

import json
from pathlib import Path

from cluster.chaos.chaos_round import AuditRecords


def line(event: str, outcome: str, service: str | None = "amap") -> str:
    members = {"time": "…", "event": event, "outcome": outcome, "service": service}
    return json.dumps(members, separators=(",", ":")) + "\n"


def test_each_call_that_began_is_counted_once(tmp_path: Path) -> None:
    logs = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    records = AuditRecords(logs)
    logs[0].write_text(line("tool_call", "started") + line("tool_call", "succeeded"))
    assert records.calls_begun() == {"amap": 1}
    with logs[0].open("a") as more:
        more.write(line("tool_call", "started", "leave") + line("model_call", "succeeded", None))
    logs[1].write_text(line("tool_call", "started"))
    assert records.calls_begun() == {"amap": 1, "leave": 1}
    assert records.calls_begun() == {}


def test_line_that_is_no_line_of_an_audit_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text(line("tool_call", "started"))
    assert any("no line of an audit log" in each for each in AuditRecords([log]).findings())
