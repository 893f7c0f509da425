"""Writes docs/faults.md from `tests/security/faults.json`, which the tests hold the agent to.

Run it after changing the expectations; a test fails while the two differ.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent

TOP = """# What the caller sees when something fails

For each service and each fault: the answer to the first request of all, and to one that finds everything at
hand. `200` is a whole answer; where the MCP server fails before its tools are known, it is given without
them, and the model is told so. `200, tool:` is an answer in which a tool's failure, by its code, is told to
the model and to the client (`agent_event`). Everything else is a status and the code of the error table,
before the first byte of a stream; 429 and 503 carry `Retry-After`. Nothing has to be restarted: the next
request after the fault is served. (If the MCP server hung while its session was opened, its tools are back
only when that attempt has been given up, after at most 5 seconds.) Measured under Human identity by
`tests/security/test_faults.py`; made by `scripts/fault_table.py`.
"""


def fault_table() -> str:
    """The page."""
    text = (ROOT / "tests" / "security" / "faults.json").read_text(encoding="utf-8")
    lines = [TOP]
    for service, faults in json.loads(text).items():
        lines += [f"\n## {service}\n", "| fault | first request | warm |", "|---|---|---|"]
        lines += [f"| {fault} | {seen['first']} | {seen['warm']} |" for fault, seen in faults.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "faults.md").write_text(fault_table(), encoding="utf-8")
