"""Findings as tests compare them, and the tampering that several tests have in common."""

import json

from agent.operations.audit.chain import line_hash
from agent.operations.audit.finding import FindingKind
from agent.operations.audit.verify import Verification

CALLS = ("call_1", "call_2", "call_3", "call_4")
KINDS = FindingKind


def found(result: Verification) -> list[tuple[int, FindingKind]]:
    return [(finding.place.line, finding.kind) for finding in result.findings]


def forged(line: str, **members: object) -> str:
    """`line` with other members, and the hash of its new content, as by someone who knows the format."""
    record = json.loads(line) | members
    record.pop("hash")
    body = json.dumps(record, separators=(",", ":"))[:-1]
    return f'{body},"hash":"{line_hash(body.encode(), None)}"}}'


def chained_anew(lines: list[str], **members: object) -> list[str]:
    """All lines with new hashes, from the second on changed by `members`."""
    previous, anew = None, []
    for number, line in enumerate(lines):
        anew.append(forged(line, previous=previous, **(members if number == 2 else {})))
        previous = json.loads(anew[-1])["hash"]
    return anew
