"""Fills the parts of README.md that are copies of something else: a file, or the error table.

A part begins with `<!-- path/of/a/file -->` or `<!-- error table -->` and is the block that follows. Run it
after changing what it copies; a test fails while the two differ.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

FILE_BLOCK = re.compile(r"<!-- (?P<path>[\w/]+\.py) -->\n```python\n.*?```\n", re.DOTALL)
TABLE_BLOCK = re.compile(r"<!-- error table -->\n(?:\n?\|[^\n]*\n)*")


def synced(readme: str) -> str:
    """The text of the README with every copied part replaced by its source."""

    def file_block(match: re.Match[str]) -> str:
        path = match["path"]
        return f"<!-- {path} -->\n```python\n{excerpt((ROOT / path).read_text(encoding='utf-8'))}```\n"

    table = error_table()
    return TABLE_BLOCK.sub(lambda _: f"<!-- error table -->\n\n{table}", FILE_BLOCK.sub(file_block, readme))


def excerpt(source: str) -> str:
    """What stands between `# readme: begin` and `# readme: end`, or the whole file."""
    _, begin, rest = source.partition("# readme: begin\n")
    return rest.partition("# readme: end\n")[0] if begin else source


def error_table() -> str:
    """The error table as Markdown, in the order of the source."""
    from identity.error_table import ERROR_TABLE

    rows = [f"| `{code}` | {r.symptom} | {r.cause} | {r.remedy} |\n" for code, r in ERROR_TABLE.items()]
    return "| code | symptom | likely cause | remedy |\n|---|---|---|---|\n" + "".join(rows)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(synced(readme.read_text(encoding="utf-8")), encoding="utf-8")
