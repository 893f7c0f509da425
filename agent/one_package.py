"""The agent as one Python package: its folders inside of `idaas_agent`, whose imports name them there.

The repository keeps its folders at the top, where people look for them. Installed there, `tools` or `agent`
would take those names from every project beside them. The builds of the wheel and of the container image use
this file before anything is installed: it imports the standard library only.

    python one_package.py REPOSITORY FOLDER     # writes FOLDER/idaas_agent
"""

import ast
import configparser
import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

PACKAGE: Final = "idaas_agent"
INNER: Final = ("agent", "graph", "http1", "identity", "plugins", "sandbox", "tools")
"""The folders of the repository that become folders of `PACKAGE`."""
_REFERENCE: Final = re.compile(rf"(({'|'.join(INNER)})(?:\.\w+)+)(:\w+)?")
"""A text that may name a module or a function: `tools.leave:service`."""
_NOT_DEPLOYED: Final = frozenset({".md", ".pyc"})
_VERSION: Final = re.compile(r'^VERSION: Final = "(.+)"$', re.MULTILINE)


def deployed_files(root: Path) -> dict[str, bytes]:
    """The agent as one package, without the sandbox, tests and documents: path → content.

    `root` is the repository, or the folder of an installed `idaas_agent`.
    """
    public = root / PACKAGE if (root / PACKAGE).is_dir() else root
    folders = [root / folder for folder in INNER if folder != "sandbox"]
    names = {file: f"{PACKAGE}/{file.name}" for file in public.iterdir() if file.suffix in (".py", ".typed")}
    names |= {file: f"{PACKAGE}/library/{file.name}" for file in (public / "library").glob("*.py")}
    for folder in folders:
        names |= {file: file.relative_to(root).as_posix() for file in folder.rglob("*.*")}
    deployed = {name: file for file, name in names.items() if _is_deployed_file(file, name)}
    files = within_package({name: file.read_bytes() for name, file in sorted(deployed.items())})
    return files | _metadata(root, files)


def _is_deployed_file(file: Path, name: str) -> bool:
    """Whether a file of a deployed folder goes along: no document, and no test of a plug-in."""
    return file.is_file() and file.suffix not in _NOT_DEPLOYED and "tests" not in name.split("/")


def _metadata(root: Path, files: Collection[str]) -> dict[str, bytes]:
    """The metadata that makes the deployed `files` a distribution, by which its entry points are found.

    Those of modules that are not deployed are left out.
    """
    project = root / "pyproject.toml"
    groups = configparser.ConfigParser(delimiters="=", interpolation=None)
    if project.is_file():
        groups.read_dict(tomllib.loads(project.read_text("utf-8"))["project"]["entry-points"])
    else:
        (installed,) = root.parent.glob(f"{PACKAGE}-*.dist-info")
        groups.read(installed / "entry_points.txt", "utf-8")
    lines = []
    for group in groups.sections():
        lines.append(f"[{group}]")
        references = {name: moved_entry(reference) for name, reference in groups.items(group)}
        lines += [
            f"{name} = {reference}"
            for name, reference in references.items()
            if _is_deployed(reference, files)
        ]
    version = _VERSION.findall((root / "tools" / "__init__.py").read_text("utf-8"))[0]
    folder = f"{PACKAGE}-{version}.dist-info"
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: idaas-agent\nVersion: {version}\n".encode(),
        f"{folder}/entry_points.txt": "".join(f"{line}\n" for line in lines).encode(),
    }


def _is_deployed(reference: str, files: Collection[str]) -> bool:
    path = reference.partition(":")[0].replace(".", "/")
    return f"{path}.py" in files or f"{path}/__init__.py" in files


def moved_entry(reference: str) -> str:
    """The reference of an entry point, as one of the package."""
    return f"{PACKAGE}.{reference}" if reference.split(".")[0] in INNER else reference


def within_package(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """`files` of the repository, by their paths, as files of one package; those of other folders stay.

    Raises `ValueError` for an import that cannot be moved: `import tools.leave` would bind another name.
    """
    modules = frozenset(_module(path) for path in files if path.endswith(".py"))
    moved = {}
    for path, content in files.items():
        place = f"{PACKAGE}/{path}" if path.split("/")[0] in INNER else path
        moved[place] = moved_imports(content, path, modules) if path.endswith(".py") else content
    return moved


def moved_imports(source: bytes, path: str, modules: Collection[str] = ()) -> bytes:
    """The Python `source` of the file `path`: imports, and texts that name one of `modules`, are moved."""
    lines = source.splitlines(keepends=True)
    prefix = f"{PACKAGE}.".encode()
    for line, column in sorted(_names(ast.parse(source, path), lines, modules), reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + prefix + text[column:]
    return b"".join(lines)


def _names(tree: ast.Module, lines: list[bytes], modules: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where a name of an inner folder begins: the line, from 1, and the byte in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in INNER:
            yield node.lineno, node.col_offset + len("from ")
        elif isinstance(node, ast.Import) and any(name.name.split(".")[0] in INNER for name in node.names):
            raise ValueError(f'line {node.lineno}: "from … import …" can be moved, "import …" cannot')
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            reference = _REFERENCE.fullmatch(node.value)
            if reference and reference[1] in modules:
                yield node.lineno, lines[node.lineno - 1].index(reference[0].encode(), node.col_offset)


def _module(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


if __name__ == "__main__":
    for name, content in deployed_files(Path(sys.argv[1])).items():
        file = Path(sys.argv[2], name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
