"""The chain of an audit log (numbers, hashes, keys), and which tampering is found in it."""

import gzip
import hashlib
import hmac
import json
import random

import pytest

from agent.operations.audit.verify import Place, verify
from identity.audit.chain import AuditKey, Head, Line, latest_heads, link, split
from identity.audit.file_destination import AuditFile
from identity.audit.log import AuditLog
from identity.secrets.secret import Secret
from tests.agent.operations.audit.audit_lines import (
    CALLS,
    FORMER_KEY,
    KEY,
    KINDS,
    chained_anew,
    event,
    forged,
    found,
    lines_of,
    put_lines,
    records_of,
    write_log,
)

pytestmark = pytest.mark.promise("on-record")


def test_untouched_log_is_in_order(file):
    result = verify([file])
    assert result.findings == []
    [chain] = result.chains
    assert (result.lines, chain.first, chain.head.seq, chain.ended) == (6, 1, 6, True)
    assert chain.head.hash == records_of(file)[-1]["hash"]


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("member", ["time", "outcome", "seq", "process", "previous", "hash"])
def test_any_change_of_any_line_is_found_at_that_line(file, index, member):
    lines = lines_of(file)
    other = {
        "time": "2026-11-24T13:29:21.251Z",
        "outcome": "cancelled",
        "seq": 9,
        "process": "ab" * 8,
        "previous": "0" * 64,
        "hash": "0" * 64,
    }
    lines[index] = json.dumps(json.loads(lines[index]) | {member: other[member]}, separators=(",", ":"))
    put_lines(file, lines)
    assert (index + 1, KINDS.CHANGED) in found(verify([file]))


@pytest.mark.parametrize("index", range(5))
def test_removed_line_is_found_where_it_is_missing(file, index):
    lines = lines_of(file)
    del lines[index]
    put_lines(file, lines)
    [finding] = verify([file]).findings
    assert (finding.place, finding.kind) == (Place(str(file), index + 1), KINDS.REMOVED)
    assert f"number {index + 1} of process" in finding.problem


def test_removed_lines_are_counted(file):
    lines = lines_of(file)
    put_lines(file, [*lines[:1], *lines[4:]])
    [finding] = verify([file]).findings
    assert "numbers 2 to 4" in finding.problem


@pytest.mark.parametrize("first", range(5))
def test_exchanged_lines_are_found_as_moved(file, first):
    lines = lines_of(file)
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    put_lines(file, lines)
    assert found(verify([file])) == [(first + 2, KINDS.MOVED)]


def test_line_moved_to_another_file_is_found_there(file, tmp_path):
    lines = lines_of(file)
    put_lines(file, [lines[0], lines[1], lines[3]])
    other = tmp_path / "later.jsonl"
    put_lines(other, [lines[4], lines[2], lines[5]])
    for files in ([file, other], [other, file]):
        result = verify(files)
        assert [(finding.place.line, finding.kind) for finding in result.findings][:1] in (
            [(2, KINDS.MOVED)],
            [(1, KINDS.MOVED)],
        )


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("place", range(7))
def test_duplicated_line_is_found_where_its_number_is_repeated(file, index, place):
    lines = lines_of(file)
    lines.insert(place, lines[index])
    put_lines(file, lines)
    kinds = {kind for _, kind in found(verify([file]))}
    assert kinds & {KINDS.DUPLICATED, KINDS.MOVED}


@pytest.mark.parametrize("text", ["hello", "{}", '{"time":"2026-11-24T13:29:21.250Z","event":"tool_call"}'])
def test_inserted_text_is_found(file, text):
    lines = lines_of(file)
    put_lines(file, [*lines[:2], text, *lines[2:]])
    assert found(verify([file])) == [(3, KINDS.FOREIGN)]


def test_inserted_line_with_a_hash_of_its_own_is_found(file):
    lines = lines_of(file)
    lines.insert(3, forged(lines[2], call_id="never"))
    put_lines(file, lines)
    assert found(verify([file])) == [(4, KINDS.DUPLICATED)]


def test_changed_line_with_a_new_hash_is_found_at_the_next_line(file):
    lines = lines_of(file)
    lines[2] = forged(lines[2], call_id="never")
    put_lines(file, lines)
    [finding] = verify([file]).findings
    assert (finding.place.line, finding.kind) == (4, KINDS.CHANGED)
    assert f"number 3 ({file}:3)" in finding.problem


async def test_rotated_files_are_verified_together_in_any_order_and_with_a_clock_that_was_set_back(tmp_path):

    file, packed = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.2.gz"
    log = AuditLog(AuditFile(file), required=True)
    for number in (1, 2, 3):
        await log.record(event(time=1_795_526_961.25 + number))
        if number < 3:
            file.rename(tmp_path / f"audit.jsonl.{3 - number}")
    await log.aclose()
    packed.write_bytes(gzip.compress((tmp_path / "audit.jsonl.2").read_bytes()))
    files = [packed, tmp_path / "audit.jsonl.1", file]
    random.shuffle(files)
    assert verify(files).findings == []


def test_missing_earlier_file_is_a_finding_unless_it_is_declared(file):
    put_lines(file, lines_of(file)[2:])
    assert found(verify([file])) == [(1, KINDS.REMOVED)]
    assert verify([file], partial=True).findings == []


async def test_lines_of_several_processes_may_be_mixed(tmp_path):
    files = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    for file in files:
        await write_log(file, *CALLS)
    mixed = tmp_path / "audit.jsonl"
    put_lines(mixed, [line for lines in zip(*map(lines_of, files), strict=True) for line in lines])
    result = verify([mixed])
    assert (result.findings, len(result.chains)) == ([], 3)
    lines = lines_of(mixed)
    del lines[7]
    put_lines(mixed, lines)
    assert [finding.kind for finding in verify([mixed]).findings] == [KINDS.REMOVED]


def test_blank_lines_are_no_lines(file):
    put_lines(file, ["", *lines_of(file), "    "])
    assert verify([file]).findings == []


def test_remains_of_an_interrupted_write_are_found_and_hide_no_line(file):
    lines = lines_of(file)
    put_lines(file, [*lines[:2], lines[3][:40] + lines[2], *lines[3:]])
    result = verify([file])
    assert (found(result), result.lines) == ([(3, KINDS.FOREIGN)], 6)


def test_incomplete_last_line_is_found(file):
    file.write_bytes(file.read_bytes()[:-10])
    assert found(verify([file])) == [(6, KINDS.FOREIGN)]


def test_endless_line_is_read_in_parts(file):
    with file.open("a") as content:
        content.write("x" * 3_000_000)
    assert {kind for _, kind in found(verify([file]))} == {KINDS.FOREIGN}


def test_log_without_a_line_is_a_finding(tmp_path):
    file = tmp_path / "audit.jsonl"
    file.touch()
    assert found(verify([file])) == [(0, KINDS.EMPTY)]


def test_first_line_of_a_chain_cannot_be_replaced_by_another_event(file):
    lines = lines_of(file)
    put_lines(file, chained_anew([forged(lines[0], event="tool_call"), *lines[1:]]))
    assert found(verify([file])) == [(1, KINDS.CHANGED)]


@pytest.mark.parametrize("left", range(1, 6))
def test_lines_cut_off_at_the_end_are_found_by_a_head_that_is_kept_elsewhere(file, left):
    heads = [
        (Head(each["process"], each["seq"], each["hash"]), Place("heads", 1)) for each in records_of(file)
    ]
    put_lines(file, lines_of(file)[:left])
    result = verify([file])
    assert result.findings == [], "the lines themselves cannot show it"
    assert [chain.ended for chain in result.chains] == [False]
    assert found(verify([file], heads=heads[-1:])) == [(1, KINDS.CUT_OFF)]
    assert verify([file], heads=[heads[left - 1]]).findings == []


@pytest.mark.parametrize("left", range(6))
async def test_lines_cut_off_before_a_restart_are_found_by_the_beginning_of_the_next_process(file, left):
    whole = len(lines_of(file))
    await write_log(file, "call_5")
    lines = lines_of(file)
    put_lines(file, [*lines[:left], *lines[whole:]])
    assert found(verify([file])) == [(left + 1, KINDS.CUT_OFF)]


async def test_lines_cut_off_while_the_process_runs_are_found_by_its_next_line(tmp_path):

    file = tmp_path / "audit.jsonl"
    log = AuditLog(AuditFile(file), required=True)
    for call in CALLS:
        await log.record(event(call))
    put_lines(file, lines_of(file)[:3])
    await log.record(event("call_5"))
    await log.aclose()
    assert found(verify([file])) == [(4, KINDS.REMOVED)]


def test_head_of_a_chain_that_is_not_there_is_a_finding_unless_it_may_be_in_an_earlier_file(file):
    other = (Head("ab" * 8, 3, "0" * 64), Place("heads", 1))
    assert [each.kind for each in verify([file], heads=[other]).findings] == [KINDS.CUT_OFF]
    assert verify([file], heads=[other], partial=True).findings == []


def test_log_that_was_computed_anew_is_found_by_its_key_or_by_one_known_hash(file):
    known = records_of(file)[3]
    put_lines(file, chained_anew(lines_of(file), call_id="never"))
    assert found(verify([file])) == [], "without a key, hashes alone cannot show it"
    assert found(verify([file], [KEY])) == [(1, KINDS.KEY)]
    head = Head(known["process"], 4, known["hash"])
    [finding] = verify([file], heads=[(head, Place("heads", 1))]).findings
    assert finding.kind == KINDS.CHANGED


async def test_signed_log_is_in_order_only_with_its_key(tmp_path):
    file = tmp_path / "audit.jsonl"
    await write_log(file, *CALLS, key=KEY)
    assert verify([file], [KEY]).findings == []
    assert verify([file], [FORMER_KEY, KEY]).findings == []
    assert found(verify([file])) == found(verify([file], [FORMER_KEY])) == [(1, KINDS.KEY)]


async def test_signed_line_that_is_changed_is_found_with_or_without_its_new_plain_hash(tmp_path):
    file = tmp_path / "audit.jsonl"
    await write_log(file, *CALLS, key=KEY)
    lines = lines_of(file)
    for line in (lines[-1].replace("audit_ended", "audit_resumed"), forged(lines[-1], event="tool_call")):
        put_lines(file, [*lines[:-1], line])
        assert found(verify([file], [KEY])) == [(6, KINDS.CHANGED)]
    put_lines(file, [*lines[:-1], forged(lines[-1], key=None)])
    assert found(verify([file], [KEY])) == [(6, KINDS.KEY)]


async def test_keys_can_be_rotated(tmp_path):
    file = tmp_path / "audit.jsonl"
    await write_log(file, "call_1", key=FORMER_KEY)
    await write_log(file, "call_2", key=KEY)
    assert verify([file], [KEY, FORMER_KEY]).findings == []


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


def test_keys_are_equal_for_equal_secrets_only():
    again = AuditKey(Secret("k" * 32))
    assert (again.id, again.lines, again.tokens) == (KEY.id, KEY.lines, KEY.tokens)
    assert len({KEY.lines, KEY.tokens, FORMER_KEY.lines, FORMER_KEY.tokens}) == 4
    assert "k" * 8 not in repr(KEY)


def line() -> str:
    record = {"time": "2026-11-24T13:29:21.250Z", "event": "tool_call", "tool": 'x"}\n{"time":"'}
    return link(record, Head("0" * 16), None)[1]


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
