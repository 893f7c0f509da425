"""The chain of an audit log: numbers, hashes and keys of its lines."""

import hashlib
import hmac
import json

import pytest

from agent.operations.audit.chain import AuditKey, Head, Line, latest_heads, link, split
from agent.operations.audit.file_destination import AuditFile
from agent.operations.audit.log import AuditLog
from identity.secrets.secret import Secret
from tests.agent.operations.audit.audit_lines import FORMER_KEY, KEY, event, lines_of, records_of, write_log

pytestmark = pytest.mark.promise("on-record")


async def test_each_line_has_its_number_and_the_hash_of_the_line_before_it(tmp_path):
    file = tmp_path / "audit.jsonl"
    await write_log(file, "call_1", "call_2")
    records = records_of(file)
    assert [record["event"] for record in records] == [
        "audit_started",
        "tool_call",
        "tool_call",
        "audit_ended",
    ]
    assert [record["seq"] for record in records] == [1, 2, 3, 4]
    assert len({record["process"] for record in records}) == 1
    assert [record["previous"] for record in records] == [None, *(record["hash"] for record in records[:-1])]


async def test_hash_is_that_of_the_bytes_before_it(tmp_path):
    plain, signed = tmp_path / "plain.jsonl", tmp_path / "signed.jsonl"
    await write_log(plain, "call_1")
    await write_log(signed, "call_1", key=KEY)
    for line in lines_of(plain):
        body, _, rest = line.partition(',"hash":')
        assert rest == f'"{hashlib.sha256(body.encode()).hexdigest()}"}}'
    for line in lines_of(signed):
        body, _, rest = line.partition(',"hash":')
        assert rest == f'"{hmac.digest(KEY.lines, body.encode(), "sha256").hex()}"}}'


async def test_each_process_has_a_chain_of_its_own_in_a_shared_file(tmp_path):
    file = tmp_path / "audit.jsonl"
    await write_log(file, "call_1")
    await write_log(file, "call_2")
    records = records_of(file)
    assert [record["seq"] for record in records] == [1, 2, 3, 1, 2, 3]
    assert len({record["process"] for record in records}) == 2


async def test_first_line_records_the_latest_lines_of_chains_that_are_there(tmp_path):
    file = tmp_path / "audit.jsonl"
    await write_log(file, "call_1", "call_2")
    await write_log(file, "call_3")
    first, second = (record for record in records_of(file) if record["event"] == "audit_started")
    last = records_of(file)[3]
    assert first["anchors"] == []
    assert second["anchors"] == [{name: last[name] for name in ("process", "seq", "hash")}]


async def test_chain_continues_in_the_file_that_follows_a_rotated_one(tmp_path):

    file, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    log = AuditLog(AuditFile(file), required=True)
    await log.record(event("call_1"))
    file.rename(moved)
    await log.record(event("call_2"))
    await log.aclose()
    before, after = records_of(moved), records_of(file)
    assert [record["seq"] for record in (*before, *after)] == [1, 2, 3, 4]
    assert after[0]["previous"] == before[-1]["hash"]


def test_keys_are_equal_for_equal_secrets_only():
    again = AuditKey(Secret("k" * 32))
    assert (again.id, again.lines, again.tokens) == (KEY.id, KEY.lines, KEY.tokens)
    assert len({KEY.lines, KEY.tokens, FORMER_KEY.lines, FORMER_KEY.tokens}) == 4
    assert "k" * 8 not in repr(KEY)


def line() -> str:
    record = {"time": "2026-11-24T13:29:21.250Z", "event": "tool_call", "tool": 'x"}\n{"time":"'}
    return link(record, Head("0" * 16), None)[1]


def test_names_from_outside_can_neither_end_a_line_nor_begin_one():
    assert line().count("\n") == 1
    assert split(line().encode()) == [line().encode()] or len(split(line().encode())) == 1


def test_line_after_the_remains_of_an_interrupted_write_is_read():
    text = line().encode().strip()
    assert split(b'{"time":"2026-11-2' + text) == [b'{"time":"2026-11-2', text]
    [head] = latest_heads([b'{"time":"2026' + text, b"noise"])
    assert head.seq == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda members: members.pop("process"),
        lambda members: members.update(process="x" * 16),
        lambda members: members.update(seq=0),
        lambda members: members.update(seq=True),
        lambda members: members.update(seq="1"),
        lambda members: members.update(previous=7),
        lambda members: members.update(key=[]),
        lambda members: members.pop("event"),
        lambda members: members.pop("hash"),
    ],
)
def test_object_without_the_members_of_a_line_is_no_line(change):
    members = json.loads(line())
    assert Line.parse(json.dumps(members, separators=(",", ":")).encode()) is not None
    change(members)
    assert Line.parse(json.dumps(members, separators=(",", ":")).encode()) is None


@pytest.mark.parametrize("text", [b"", b"null", b"[" * 100_000, b'{"time":"' + b'["' * 50_000, b"\xff\xfe"])
def test_other_text_is_no_line(text):
    assert Line.parse(text) is None
    assert Line.parse(text + b',"hash":"' + b"0" * 64 + b'"}') is None
