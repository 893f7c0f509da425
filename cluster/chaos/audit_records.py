"""What audit logs have recorded since the last look."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agent.operations.audit.verify import verify


class AuditRecords:
    """Reads each log on from where it was read before."""

    def __init__(self, logs: Sequence[Path]) -> None:
        self._read = dict.fromkeys(logs, 0)

    def calls_begun(self) -> Counter[str]:
        """How many calls of tools have begun since the last time, by service."""
        begun: Counter[str] = Counter()
        for log, offset in self._read.items():
            if not log.exists():
                continue
            with log.open("rb") as lines:
                lines.seek(offset)
                for line in lines:
                    if b'"event":"tool_call","outcome":"started"' in line:
                        begun[str(json.loads(line)["service"])] += 1
                self._read[log] = lines.tell()
        return begun

    def findings(self) -> list[str]:
        """Of the verification of each log. A process that was killed only lacks its `audit_ended`."""
        return [str(each) for log in self._read for each in verify([log]).findings]
