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
_BUDGET: Final = re.compile(r"^\| (\w+) \| .* \| ([\d,.]+)( times the product)? \|$", re.MULTILINE)


def lines_of(folders: tuple[str, ...]) -> int:
    """All lines of the Python files below `folders`, installed packages aside."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return sum(file.read_bytes().count(b"\n") for file in files if "node_modules" not in file.parts)


def main() -> int:
    """Prints one line for each part."""
    budgets = {part: rest for part, *rest in _BUDGET.findall((ROOT / "CONTRIBUTING.md").read_text())}
    found = {part: lines_of(folders) for part, folders in PARTS.items()}
    exceeded = False
    for part, lines in found.items():
        figure, is_share = budgets[part]
        most = round(float(figure.replace(",", "")) * (found["product"] if is_share else 1))
        exceeded |= lines > most
        note = "  EXCEEDED" if lines > most else ""
        sys.stdout.write(f"{part:<8} {lines:>7,} lines of Python, at most {most:,}{note}\n")
    return exceeded


if __name__ == "__main__":
    sys.exit(main())
