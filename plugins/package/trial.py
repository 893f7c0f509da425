"""Tries a deployment before it is written: what its own code imports, and whether the agent starts there.

Not tried: whether the packages of a lock file can be installed, and what only the platform has, such as its
files, its role and its network.
"""

import ast
import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

from agent.one_package import INNER, PACKAGE
from agent.settings.settings import Settings
from identity.errors import ConfigurationError

UNLOCKED: Final = "which is not locked: lock it in the file of --requirements"
_ALWAYS_THERE: Final = frozenset({PACKAGE, *sys.stdlib_module_names})
_OF_A_FAILED_IMPORT: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def start_faults(read: Callable[[], Settings]) -> list[str]:
    """Why the agent would not start with the settings that `read` returns: it is made of them here, and
    nothing is called.
    """
    from agent.composition.agent import Agent

    try:
        agent = Agent(read(), accepts_tools=False)
    except ConfigurationError as error:
        return [f"the agent would not start there: {fault}" for fault in error.faults]
    with ThreadPoolExecutor(1) as beside:  # the caller may have an event loop
        beside.submit(asyncio.run, agent.aclose()).result()
    return []


def import_faults(sources: Mapping[str, bytes], locked: Set[str]) -> Iterator[str]:
    """Imports of own code from packages that are not `locked`, by their normal names.

    Not seen: an import by `importlib`. One that may fail (`except ImportError`), or is for type checkers, is
    no fault.
    """
    for name, source in sources.items():
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):  # the start reports it
            continue
        for module in sorted(set(_imported(tree)) - _ALWAYS_THERE):
            if fault := module_fault(module, locked):
                yield f"{name} imports {fault}"


def texts_in(module: Path) -> list[str]:
    """The texts in the code of a module; none if it cannot be read, which the start reports."""
    try:
        tree = ast.parse(module.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def module_fault(module: str, locked: Set[str]) -> str | None:
    """Why the deployed agent lacks a top-level module; `None` if a `locked` package has it."""
    distributions = _packages().get(module, [module])
    if not locked.isdisjoint(map(normal_name, distributions)):
        return None
    if module in INNER:
        return f'"{module}", which the deployed agent does not have: it has {PACKAGE}'
    return f'"{module}" of the package {distributions[0]}, {UNLOCKED}'


@cache
def _packages() -> Mapping[str, list[str]]:
    """The installed packages by their top-level modules."""
    return packages_distributions()


def normal_name(package: str) -> str:
    """The name of a package in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _imported(node: ast.AST) -> Iterator[str]:
    """The top-level modules of absolute imports that must succeed."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name.partition(".")[0] for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module.partition(".")[0]
        case ast.Try(handlers=handlers) if any(map(_catches_import, handlers)):
            for statement in (*handlers, *node.orelse, *node.finalbody):
                yield from _imported(statement)
        case ast.If(test=test, orelse=other) if "TYPE_CHECKING" in ast.unparse(test):
            for statement in other:
                yield from _imported(statement)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _imported(child)


def _catches_import(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return not names.isdisjoint(_OF_A_FAILED_IMPORT)
