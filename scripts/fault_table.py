"""Writes the tables of docs/faults.md from `tests/security/faults.json`, the expectations of the tests.

Run it after a change of the expectations; a test fails while the two differ.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "faults.md"
MARK = "<!-- made by scripts/fault_table.py: -->\n"
COLUMNS = {"first": "first request", "warm": "warm", "mid": "in mid-run"}
RULE = "|---|---|---|---|"


def fault_table() -> str:
    """The page: the text above the mark, unchanged, and the tables."""
    lines = []
    text = (ROOT / "tests" / "security" / "faults.json").read_text(encoding="utf-8")
    tables: dict[str, list[str]] = {}
    always: list[str] = []
    for service, faults in json.loads(text).items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for fault, seen in faults.items():
            alike.setdefault(tuple(seen[moment] for moment in COLUMNS), []).append(fault)
        if len(alike) == 1:
            always += [_row(service, *cells) for cells in alike]
        else:
            rows = "\n".join(_row("; ".join(named), *cells) for cells, named in alike.items())
            tables.setdefault(rows, []).append(service)
    for rows, services in tables.items():
        lines += [f"\n### {'; '.join(services)}\n", _row("fault", *COLUMNS.values()), RULE, rows]
    lines += ["\n### The others: the same in each way\n", _row("service", *COLUMNS.values()), RULE, *always]
    text_part = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    return text_part + MARK + "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(fault_table(), encoding="utf-8")
