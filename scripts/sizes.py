"""Prints the lines of Python of each part beside its budget in CONTRIBUTING.md.

Exit status 1 if one is exceeded.

    python scripts/sizes.py
"""

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PARTS: Final = {
    "product": ("agent", "graph", "idaas_agent", "identity", "tools"),
    "sandbox": ("sandbox",),
    "tests": ("tests",),
}
_BUDGET: Final = re.compile(r"^\| (\w+) \| .* \| ([\d,]+) \|$", re.MULTILINE)


def lines_of(folders: tuple[str, ...]) -> int:
    """All lines of the Python files below `folders`, installed packages aside."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return sum(file.read_bytes().count(b"\n") for file in files if "node_modules" not in file.parts)


def main() -> int:
    """Prints one line for each part."""
    found = _BUDGET.findall((ROOT / "CONTRIBUTING.md").read_text())
    budgets = {part: int(most.replace(",", "")) for part, most in found}
    exceeded = False
    for part, folders in PARTS.items():
        lines, most = lines_of(folders), budgets[part]
        exceeded |= lines > most
        note = "  EXCEEDED" if lines > most else ""
        sys.stdout.write(f"{part:<8} {lines:>7,} lines of Python, at most {most:,}{note}\n")
    return exceeded


if __name__ == "__main__":
    sys.exit(main())
