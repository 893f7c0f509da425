"""Lines that are cut off at an end: what shows that they are missing."""

import pytest

from agent.operations.audit.chain import Head
from agent.operations.audit.file_destination import AuditFile
from agent.operations.audit.finding import Place
from agent.operations.audit.log import AuditLog
from agent.operations.audit.verify import verify
from tests.agent.operations.audit.audit_lines import event, lines_of, put_lines, records_of, write_log
from tests.agent.operations.audit.findings import CALLS, KINDS, found

pytestmark = pytest.mark.promise("on-record")


@pytest.mark.parametrize("left", range(1, 6))
def test_lines_cut_off_at_the_end_are_found_by_an_expected_line(file, left):
    records = records_of(file)
    put_lines(file, lines_of(file)[:left])
    result = verify([file])
    assert result.findings == [], "the lines themselves cannot show it"
    assert [chain.ended for chain in result.chains] == [False]
    last = (records[-1]["seq"], records[-1]["hash"])
    assert found(verify([file], expected=[last])) == [(0, KINDS.CUT_OFF)]
    kept = (records[left - 1]["seq"], records[left - 1]["hash"])
    assert verify([file], expected=[kept]).findings == []


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


def test_heads_of_an_earlier_verification_must_be_there(file):
    place = Place("heads", 1)
    [chain] = verify([file]).chains
    assert verify([file], heads=[(chain.head, place)]).findings == []
    put_lines(file, lines_of(file)[:-1])
    [finding] = verify([file], heads=[(chain.head, place)]).findings
    assert (finding.place, finding.kind) == (place, KINDS.CUT_OFF)
    other = (Head("ab" * 8, 3, "0" * 64), place)
    assert [each.kind for each in verify([file], heads=[other]).findings] == [KINDS.CUT_OFF]
    assert verify([file], heads=[other], partial=True).findings == []
