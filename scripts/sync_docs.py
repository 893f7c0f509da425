"""Writes what the documentation copies: parts of README.md, and docs/configuration.md from the settings.

A part of the README begins with `<!-- path/of/a/file -->` or `<!-- error table -->` and is the block that
follows. Run it after changing what is copied; a test fails while the two differ.
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


def configuration() -> str:
    """`docs/configuration.md`: every variable, from the descriptions of the settings."""
    from agent.settings import variables

    rows = []
    for name, (description, default) in variables().items():
        if default is ...:
            shown = "**must be set**"
        elif default is None:
            shown = "–"
        else:
            listed = ",".join(default) if isinstance(default, tuple) else str(default)
            shown = f"`{listed}`"
        rows.append(f"| `{name}` | {shown} | {description.replace('|', chr(92) + '|')} |\n")
    return CONFIGURATION + "".join(rows)


CONFIGURATION = """# Configuration

Every environment variable of the agent. Faults stop the start, all at once, each by the variable's name;
`idaas-agent doctor` checks what the values lead to. URLs must be https, except to loopback addresses.
A variable that is set to nothing counts as not set.

The agent's own secret is in none of these: the SDK configuration file names the variable that holds
it (`clientSecretEnvVarName`, such as `IDAAS_CLIENT_SECRET`; `privateKeyEnvVarName`, `ENV_PRIVATE_KEY`).

| variable | default | what it is |
|---|---|---|
"""


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(synced(readme.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "configuration.md").write_text(configuration(), encoding="utf-8")
