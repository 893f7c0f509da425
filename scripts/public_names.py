"""Writes docs/names.md: the names that a version keeps, from their docstrings. Called by `sync_docs.py`."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARTS = ("issuers", "labels", "policies", "surfaces", "testing", "variables")
MODULES = ("idaas_agent", *(f"idaas_agent.{part}" for part in PARTS))
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
HEAD = (
    "# Public names\n\nFor developers who look a name up. Your code may import these names, and "
    "[a version keeps them](versions.md); no other\nname of this project is public. The pages below a name "
    "show it in use. `scripts/sync_docs.py` writes this page from the code.\n"
)
PAGES = (
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "names.md"),
    *sorted(ROOT.glob("plugins/*/README.md")),
)
MOST_PAGES = 4


def page() -> str:
    """The whole page."""
    texts = {path: "\n".join(CODE.findall(path.read_text("utf-8"))) for path in PAGES}
    parts = [HEAD]
    for module in MODULES:
        parts.append(f"\n## `{module}`\n")
        parts += [_entry(module, name, texts) for name in names_of(module)]
    return "".join(parts)


def names_of(module: str) -> list[str]:
    """The names of a public module: of `__all__`, else those that it defines or imports as themselves."""
    imported = import_module(module)
    listed = getattr(imported, "__all__", None)
    if listed is not None:
        return [name for name in listed if not name.startswith("_")]
    tree = ast.parse(inspect.getsource(imported))
    return sorted(set(_defined(tree)))


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            yield node.name
        elif (
            isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_"
        ):
            yield node.target.id
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.asname == alias.name)


def _entry(module: str, name: str, texts: dict[Path, str]) -> str:
    """A name: what it is, its members, and the pages that use it."""
    thing = getattr(import_module(module), name)
    word = re.compile(rf"\b{re.escape(name)}\b")
    used = [path for path, text in texts.items() if word.search(text)][:MOST_PAGES]
    pages = ", ".join(f"[{_title(path)}]({_link(path)})" for path in used)
    lines = [f"\n### `{name}`\n"]
    node = _node(thing)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        lines.append(f"\n```python\n{_call(node)}\n```\n")
    lines.append(f"\n{_words(thing, module, name)}\n")
    if isinstance(node, ast.ClassDef):
        rows = [f"| `{_cell(code)}` | {_cell(text)} |\n" for code, text in _members(node)]
        if rows:
            lines += ["\n| member | |\n|---|---|\n", *rows]
    if pages:
        lines.append(f"\nIn use: {pages}.\n")
    return "".join(lines)


def _node(thing: object) -> ast.AST | None:
    """The definition of a class or function in its file."""
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return None
    tree = _parsed(inspect.getfile(thing))
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return next(node for node in tree.body if isinstance(node, kinds) and node.name == thing.__name__)


def _words(thing: object, module: str, name: str) -> str:
    """The docstring of a class or function, or the text below a constant."""
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return _plain(inspect.getdoc(thing) or "")
    file = inspect.getfile(import_module(module))
    for imported in _parsed(file).body:
        if isinstance(imported, ast.If):  # the names for type checkers
            for origin in imported.body:
                if isinstance(origin, ast.ImportFrom) and any(a.name == name for a in origin.names):
                    return _text_below(str(import_module(str(origin.module)).__file__), name)
    return _text_below(file, name)


@cache
def _parsed(file: str) -> ast.Module:
    return ast.parse(Path(file).read_text("utf-8"))


def _text_below(file: str, name: str) -> str:
    body = _parsed(file).body
    for node, after in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            text = _string(after)
            return f"`{ast.unparse(node.value)}`. {_plain(text)}" if node.value and text else _plain(text)
    return ""


def _members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """The public fields, properties and methods, each with its first paragraph."""
    for member, after in zip(node.body, [*node.body[1:], ast.Pass()], strict=True):
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            if member.target.id[0] != "_" and "ClassVar" not in ast.unparse(member.annotation):
                yield ast.unparse(member), _first(_string(after))
        elif isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name):
            if member.targets[0].id[0] != "_":
                yield ast.unparse(member), _first(_string(after))
        elif isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            if member.name == "__init__":
                yield _call(member, node.name), _first(ast.get_docstring(member) or "")
                yield from _attributes(member)
            elif member.name[0] != "_" and not _is_overload(member):
                yield _call(member), _first(ast.get_docstring(member) or "")


def _attributes(init: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, str]]:
    """Attributes that `__init__` sets and explains."""
    for member, after in zip(init.body, [*init.body[1:], ast.Pass()], strict=True):
        target = getattr(member, "target", None)
        text = _string(after)
        if isinstance(target, ast.Attribute) and target.attr[0] != "_" and text:
            yield target.attr, _first(text)


def _is_overload(member: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator) == "overload" for decorator in member.decorator_list)


def _call(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str | None = None) -> str:
    """How it is called, without `self`; a property as its name and type."""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and name is None else ""
    if "property" in decorators:
        return f"{node.name}{returns.replace(' -> ', ': ')}"
    given = ast.unparse(node.args).replace("Any=...", "Any = ...")
    given = re.sub(r"^(?:self|cls)(?:, |$)", "", given)
    begin = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{begin}{name or node.name}({given}){returns}"


def _string(node: ast.AST) -> str:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return str(node.value.value) if is_text else ""  # type: ignore[attr-defined]  # see above


def _first(text: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(_plain(inspect.cleandoc(text)).partition("\n\n")[0].split())


def _plain(text: str) -> str:
    """A docstring as Markdown: names of pages become links."""
    return re.sub(r"`docs/([\w-]+)\.md`", r"[\1](\1.md)", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _title(path: Path) -> str:
    return path.parent.name.replace("_", " ") if path.name == "README.md" else path.stem


def _link(path: Path) -> str:
    return f"../{path.relative_to(ROOT)}" if path.name == "README.md" else path.name
