"""What the key of an audit log shows that its hashes alone cannot."""

import pytest

from agent.operations.audit.finding import Place
from agent.operations.audit.verify import verify
from tests.agent.operations.audit.audit_lines import (
    FORMER_KEY,
    KEY,
    lines_of,
    put_lines,
    records_of,
    write_log,
)
from tests.agent.operations.audit.findings import CALLS, KINDS, chained_anew, forged, found

pytestmark = pytest.mark.promise("on-record")


def test_log_that_was_computed_anew_is_found_by_its_key_or_by_one_known_hash(file):
    known = records_of(file)[3]["hash"]
    put_lines(file, chained_anew(lines_of(file), call_id="never"))
    assert found(verify([file])) == [], "without a key, hashes alone cannot show it"
    assert found(verify([file], [KEY])) == [(1, KINDS.KEY)]
    [finding] = verify([file], expected=[(4, known)]).findings
    assert (finding.place, finding.kind) == (Place("--expect", 0), KINDS.CUT_OFF)


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
