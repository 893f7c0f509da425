"""Tries a deployment before it is written: what its own code imports, and whether the agent starts there.

Not tried: whether the packages of a lock file can be installed, and what only the platform has, such as its
files, its role and its network.
"""

import ast
import asyncio
import re
import sys
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import packages_distributions
from typing import Final

from agent.commands.package.one_package import INNER, PACKAGE
from agent.settings.settings import read_settings
from identity.errors import ConfigurationError

_OF_THE_AGENT: Final = frozenset({PACKAGE, *INNER, *sys.stdlib_module_names})


def start_faults(variables: Mapping[str, str]) -> list[str]:
    """Why the agent would not start with `variables`: it is made of them here, and nothing is called."""
    from agent.composition.agent import Agent

    try:
        agent = Agent(read_settings(variables, serves=False), accepts_tools=False)
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
    providers = packages_distributions()
    for name, source in sources.items():
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):  # the start reports it
            continue
        for module in sorted(set(_imported(tree)) - _OF_THE_AGENT):
            found = providers.get(module, [module])
            if locked.isdisjoint(map(normal_name, found)):
                yield f'{name} imports "{module}" of the package {found[0]}, which is not locked'


def normal_name(package: str) -> str:
    """The name of a package in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _imported(node: ast.AST) -> Iterator[str]:
    """The top-level modules of absolute imports that must succeed."""
    match node:
        case ast.Import(names=names):
            yield from (each.name.partition(".")[0] for each in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module.partition(".")[0]
        case ast.Try(handlers=handlers) if any(map(_catches_import, handlers)):
            rest = (*handlers, *node.orelse, *node.finalbody)
            yield from (module for each in rest for module in _imported(each))
        case ast.If(test=test, orelse=other) if "TYPE_CHECKING" in ast.unparse(test):
            yield from (module for each in other for module in _imported(each))
        case _:
            yield from (module for each in ast.iter_child_nodes(node) for module in _imported(each))


def _catches_import(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and "Import" in ast.unparse(handler.type)
