"""Updates the generated documentation: README.md, docs/{errors,configuration,names,observability}.md,
docs/zh/errors.md and docs/services.schema.json.

A generated part of the README is the block after `<!-- path/of/a/file: functions -->`; the codes of
docs/errors.md and the table of docs/observability.md follow `<!-- error codes -->` and `<!-- metrics -->`.
Run it after a change of a source; a test fails while the two differ.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from identity.settings.values import VariableGroup

PAGE = re.compile(r"`?docs/([\w-]+)\.md`?")
PAGE_OF_PLUGIN = re.compile(r"`plugins/(\w+)/README\.md`")
FILE_BLOCK = re.compile(r"<!-- (?P<path>[\w/]+\.py)(?P<names>: [\w ]+)? -->\n```python\n.*?```\n", re.DOTALL)
METRICS_BLOCK = re.compile(r"<!-- metrics -->\n(?:\n?\|[^\n]*\n)*")
CODES_BLOCK = re.compile(r"<!-- error codes -->\n.*", re.DOTALL)


def synced(readme: str) -> str:
    """The text of the README with every copied part replaced by its source."""

    def file_block(match: re.Match[str]) -> str:
        path, names = match["path"], match["names"] or ""
        source = (ROOT / path).read_text(encoding="utf-8")
        return f"<!-- {path}{names} -->\n```python\n{excerpt(source, names[2:].split())}```\n"

    return FILE_BLOCK.sub(file_block, readme)


def excerpt(source: str, names: list[str]) -> str:
    """The functions of these names with their decorators, or the whole file."""
    if not names:
        return source
    lines = source.splitlines(keepends=True)
    functions = {
        node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AsyncFunctionDef)
    }
    chosen = [(functions[name].decorator_list[0].lineno - 1, functions[name].end_lineno) for name in names]
    return "\n\n".join(textwrap.dedent("".join(lines[begin:end])) for begin, end in chosen)


def linked(text: str) -> str:
    """The text with links in place of names of pages, such as `docs/errors.md`, for a page beside them."""
    text = PAGE_OF_PLUGIN.sub(lambda page: f"[{page[1].replace('_', ' ')}](../{page[0][1:-1]})", text)
    return PAGE.sub(r"[\1](\1.md)", text)


def errors(page: str) -> str:
    """`docs/errors.md` with its end replaced by the error codes."""
    return CODES_BLOCK.sub(lambda _: f"<!-- error codes -->\n{error_codes()}", page)


def error_codes() -> str:
    """The error table, in the order of the source. Each code is an anchor, to which one can link."""
    from agent.errors.error_table import ERROR_CODES, row_of

    rows = ["\n| code | what to do |\n|---|---|\n"]
    rows += [f'| <a id="{code}"></a>`{code}` | {in_short(row_of(code).remedy)} |\n' for code in ERROR_CODES]
    return "".join(rows)


def in_short(remedy: str) -> str:
    """The first clause of a remedy, or all of one that begins with "none"."""
    text = remedy.replace("the declaration of the service", "*the settings of the service*")
    return text if text.startswith("none") else re.split(r"; |\. ", text)[0]


def errors_zh() -> str:
    """`docs/zh/errors.md`: what a user reads, from the texts of the page."""
    texts = (ROOT / "frontend" / "language" / "zh-errors.js").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for code, part, text in re.findall(r"'error\.(\w+)\.(symptom|remedy)': '([^']*)'", texts):
        found.setdefault(code, {})[part] = text.replace("{service}", "*服务*")
    from agent.errors.error_table import ERROR_CODES

    rows = [
        f"| `{code.value}` | {found[code.value]['symptom']}；{found[code.value]['remedy']} |\n"
        for code in ERROR_CODES
        if code.value in found
    ]
    return ERRORS_ZH + "".join(rows)


ERRORS_ZH = """# 错误

面向编写客户端或运维智能体的人：错误码，以及用户看到的文字。
处理办法见英文的 [Errors](../errors.md)；原因在日志中，`idaas-agent doctor` 会指出要更正的变量。

| 状态 | 含义 |
|---|---|
| 401 | 没有访问令牌，或令牌已过期、被撤销、不是给这个智能体的：重新登录 |
| 403 | 已登录，但令牌没有智能体的权限：管理员在 IDaaS 中授权 |
| 409 | 与对话的状态冲突，例如有等待批准的调用 |
| 429 | 请求或运行过多：按 `Retry-After` 稍后重试 |
| 502、503 | 下游服务、大模型或 IDaaS 失败：`code` 说明是哪一个 |

| 错误码 | 用户看到的文字 |
|---|---|
"""


def observability(page: str) -> str:
    """`docs/observability.md` with its table replaced by what the agent's parts declare."""
    from agent.operations.metrics.agent_measures import AgentMeasures
    from agent.operations.metrics.prometheus_text import sample_name

    rows = "".join(
        f"| `{metric.name}` | `{sample_name(metric)}` | "
        f"{', '.join(f'`{label}`' for label in metric.labels) or '–'} | {linked(metric.description)} |\n"
        for metric in AgentMeasures().metrics.declared()
    )
    head = "| metric | for Prometheus | attributes | meaning |\n|---|---|---|---|\n"
    return METRICS_BLOCK.sub(lambda _: f"<!-- metrics -->\n\n{head}{rows}", page)


def schema() -> str:
    """`docs/services.schema.json`: the form of SERVICES_FILE."""
    from tools.services_file import ServicesFile

    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ServicesFile.model_json_schema()}
    return json.dumps(document, indent=2) + "\n"


def configuration() -> str:
    """`docs/configuration.md`: every variable by group, from the descriptions of the settings."""
    from agent.settings.settings import variable_groups

    return CONFIGURATION + "".join(
        f"\n## {group.heading}\n\n| variable | default | meaning |\n|---|---|---|\n{variable_rows(group)}"
        for group in variable_groups()
    )


def variable_rows(group: "type[VariableGroup]") -> str:
    """The rows of a table of variables: each with its default, and the text below its field."""
    source = ast.parse(textwrap.dedent(inspect.getsource(group)))
    texts = {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(source.body[0].body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    rows = []
    for field, declared in group.model_fields.items():
        name, description, default = field.upper(), linked(texts[field]), declared.default
        if declared.is_required():
            shown = "**must be set**"
        elif default is None:
            shown = "–"
        else:
            listed = ",".join(default) if isinstance(default, tuple) else str(default)
            shown = f"`{listed}`"
        rows.append(f"| `{name}` | {shown} | {description.replace('|', chr(92) + '|')} |\n")
    return "".join(rows)


CONFIGURATION = """# Configuration: environment variables

For operators: every environment variable, with its default.
Begin with those that [an instance of IDaaS needs](connect-idaas.md).

```sh
idaas-agent doctor --env-file common.env --env-file agent.env
```

- A later file overrides an earlier one, and the environment overrides all files.
- Faults stop the start, all at once, each with its variable. `doctor` also checks whether the values work.
- The start warns about a name that looks misspelt.
- An empty variable is not set. One pair of double quotation marks around a value is taken off.
- URLs must be https, except to loopback addresses.
- A command needs only the variables that it uses.
- Files of keys, secrets and URLs are read at start, that of the agent's own secret
  [again later](connect-idaas.md#rotate-a-secret-secrets-in-files).
"""


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(synced(readme.read_text(encoding="utf-8")), encoding="utf-8")
    page = ROOT / "docs" / "errors.md"
    page.write_text(errors(page.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "zh" / "errors.md").write_text(errors_zh(), encoding="utf-8")
    page = ROOT / "docs" / "observability.md"
    page.write_text(observability(page.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "services.schema.json").write_text(schema(), encoding="utf-8")
    (ROOT / "docs" / "configuration.md").write_text(configuration(), encoding="utf-8")
    from scripts.public_names import page as names

    (ROOT / "docs" / "names.md").write_text(names(), encoding="utf-8")
