"""Prints how dense and how entangled the core is, of one or more revisions, as a Markdown table.

    python scripts/core_figures.py 25aa6482 HEAD

No figure is a limit. Each says where a feature has entered the core instead of standing beside it.
"""

import ast
import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
CORE: Final = ("agent", "graph", "http1", "idaas_agent", "identity", "tools")
BESIDE: Final = ("plugins",)
VALUES: Final = (
    "ApprovalRequest",
    "ApprovalKind",
    "PendingApproval",
    "PendingCall",
    "ToolPolicy",
    "ToolResult",
    "AgentContext",
    "AgentState",
    "ApprovalStore",
    "Access",
    "Service",
    "Agent",
)
"""The values and seams that every feature passes through."""
FEATURES: Final[Mapping[str, str]] = {
    "A2A": r"(agent\.api|plugins)\.a2a",
    "MCP server": r"(agent\.api\.mcp|plugins\.mcp_server)",
    "LangServe": r"(agent\.api|plugins)\.langserve",
    "LangGraph Server": r"agent\.api\.langgraph",
    "Cedar and AuthZEN": r"(agent|plugins)\.policy",
    "packaging": r"(agent\.commands|plugins)\.package",
    "webhook": r"(agent\.operations\.approval_webhook|plugins\.webhook)",
    "grants": r"graph\.approvals\.grants",
    "questions of servers": r"graph\.(approvals\.elicitations|server_question)",
    "prepared runs": r"(graph\.approvals\.prepared_run|agent\.runs\.prepared_runs|plugins\.prepared_runs)",
    "authors of messages": r"graph\.(labels\.)?authorship",
    "labels": r"graph\.labels",
    "files": r"(graph\.files|tools\.file)",
    "middleware": r"graph\.nodes\.middleware",
    "custom nodes": r"graph\.nodes\.(own|custom_node)",
}
READ_FROM: Final = {
    "a service's node": ("graph/nodes/service.py",),
    "the model's node": ("graph/nodes/model.py",),
    "the node of approvals": ("graph/nodes/approvals.py",),
    "the gate": ("graph/approvals/gate.py",),
    "the application": ("agent/api/app.py",),
    "the composition": ("agent/composition/agent.py",),
}
_SUBJECTLESS: Final = re.compile(r"(What|Whose|Those|Of)\b")


def modules_of(revision: str) -> dict[str, ast.Module]:
    """The Python files of the core and of what stands beside it, by their paths."""
    command = ["git", "archive", "--format=tar", revision]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603 - a revision
    modules: dict[str, ast.Module] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            folder = member.name.partition("/")[0]
            is_test = "/tests/" in member.name
            content = files.extractfile(member)
            if folder in CORE + BESIDE and member.name.endswith(".py") and content and not is_test:
                modules[member.name] = ast.parse(content.read())
    return modules


def figures(modules: Mapping[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Each figure with its name."""
    core = {path: module for path, module in modules.items() if path.partition("/")[0] in CORE}
    nodes = [node for module in core.values() for node in ast.walk(module)]
    yield "statements of the core", f"{sum(isinstance(node, ast.stmt) for node in nodes):,}"
    yield "Python files of the core", f"{len(core):,}"
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    for name in VALUES:
        yield f"members of `{name}`", str(_members(classes[name])) if name in classes else "–"
    for name, paths in READ_FROM.items():
        yield f"imported by {name}: modules, rooms, names", _imported(core, paths)
    for feature in FEATURES:
        yield f"modules of the core that import {feature}", str(len(importers(core, feature)))
    yield "several targets in one assignment", str(sum(map(_is_parallel, nodes)))
    yield "conditional expressions", str(sum(isinstance(node, ast.IfExp) for node in nodes))
    yield "conditional expressions within another expression", str(sum(map(_nested_conditions, nodes)))
    yield "variables named `each`", str(sum(_is_each(node) for node in nodes))
    docstrings = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, _DOCUMENTED)]
    yield "docstrings without a subject", str(sum(bool(_SUBJECTLESS.match(text)) for text in docstrings))


_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _members(value: ast.ClassDef) -> int:
    """The fields and choices of a value, and the methods of a seam; of a class with both, all of them."""
    kinds = (ast.AnnAssign, ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef)
    return sum(isinstance(statement, kinds) for statement in value.body)


def _imported(modules: Mapping[str, ast.Module], paths: tuple[str, ...]) -> str:
    """What a reader of these files has to know of other files of ours."""
    found: set[tuple[str, str]] = set()
    for path in paths:
        for node in ast.walk(modules.get(path, ast.Module([], []))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in CORE:
                found |= {(str(node.module), name.name) for name in node.names}
    sources = {module for module, _ in found}
    rooms = {module.rpartition(".")[0] for module in sources}
    return f"{len(sources)}, {len(rooms)}, {len(found)}"


def importers(modules: Mapping[str, ast.Module], feature: str) -> set[str]:
    """The paths of the modules that import `feature`, without its own."""
    of_feature = re.compile(FEATURES[feature] + r"(\.|$)")
    paths = set()
    for path, module in modules.items():
        if of_feature.match(path.removesuffix(".py").replace("/", ".")):
            continue
        imports = [node for node in ast.walk(module) if isinstance(node, ast.ImportFrom)]
        if any(of_feature.match(statement.module or "") for statement in imports):
            paths.add(path)
    return paths


def _is_parallel(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
    )


def _nested_conditions(node: ast.AST) -> int:
    """How many conditional expressions `node` has as a part: none if it names or returns the value."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Return):
        return 0
    return sum(isinstance(part, ast.IfExp) for part in ast.iter_child_nodes(node))


def _is_each(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "each" and isinstance(node.ctx, ast.Store)


def main(revisions: list[str]) -> None:
    """Prints the table."""
    columns = [dict(figures(modules_of(revision))) for revision in revisions]
    rows = [["", *revisions], ["---"] * (len(revisions) + 1)]
    rows += [[name, *(column.get(name, "–") for column in columns)] for name in columns[-1]]
    for row in rows:
        sys.stdout.write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["HEAD"])
