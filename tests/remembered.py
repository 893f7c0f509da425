"""What libraries compute anew for every agent that is composed, the same each time, is computed once.

What they remember of agents is forgotten.
"""

import dataclasses
import dis
import functools
import importlib.metadata
import inspect
import logging
from collections.abc import Callable
from importlib.metadata import Distribution, EntryPoints, PathDistribution
from pathlib import Path
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

import _pytest.logging
import fastapi.dependencies.models
import fastapi.dependencies.utils
import fastapi.routing
import langchain_core.tools.base
import langchain_core.tools.structured
import langgraph.pregel._utils
import pytest

from agent import one_package

_create = langchain_core.tools.structured.create_schema_from_function
_schemas: dict[Any, Any] = {}


def _schema(name: str, function: Callable[..., Any], **options: Any) -> Any:
    """The schema of a tool's arguments, by the function's code and declaration."""
    declared = inspect.unwrap(function)
    code = declared.__code__
    key = (name, code, code.co_filename, str(inspect.signature(declared)), declared.__doc__, repr(options))
    if key not in _schemas:
        _schemas[key] = _create(name, function, **options)
    return _schemas[key]


_get_dependant = fastapi.dependencies.utils.get_dependant
_dependants: dict[Any, Any] = {}


def _dependant(*, call: Callable[..., Any], **options: Any) -> Any:
    """What a route's function declares, by the function's code and declaration. FastAPI reads it twice."""
    if not isinstance(call, FunctionType) or vars(call).keys() & {"__wrapped__", "__signature__"}:
        return _get_dependant(call=call, **options)
    declared = repr((call.__defaults__, call.__kwdefaults__, call.__annotations__, options))
    if " at 0x" in declared or "<locals>" in declared:  # something of this app only
        return _get_dependant(call=call, **options)
    key = (call.__code__, call.__code__.co_filename, declared)
    if key not in _dependants:
        _dependants[key] = dataclasses.replace(_get_dependant(call=call, **options), call=None)
    found = _dependants[key]
    declared_by = {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}
    lists = {name: [*value] for name, value in declared_by.items() if isinstance(value, list)}
    return dataclasses.replace(found, call=call, **lists)


_create_subset = langchain_core.tools.base._create_subset_model
_subsets: dict[Any, Any] = {}


def _subset(name: str, model: Any, field_names: list[str], **options: Any) -> Any:
    """What a model sees of a tool's arguments."""
    key = (name, model, tuple(field_names), repr(options))
    if key not in _subsets:
        _subsets[key] = _create_subset(name, model, field_names, **options)
    return _subsets[key]


@functools.cache
def _entry_points(folder: Path) -> EntryPoints:
    found: EntryPoints = Distribution.entry_points.fget(PathDistribution(folder))  # type: ignore[attr-defined]  # a property
    return found


@functools.cache
def _instructions(code: CodeType) -> list[dis.Instruction]:
    return list(dis.get_instructions(code))


def _heard(self: Any) -> Any:
    """Records of all loggers reach the root. pytest asks each of a thousand, six times a test."""
    root = logging.getLogger()
    root.addHandler(self.handler)
    self.attached_loggers.append(root)
    if self.level is not None:
        self.handler.setLevel(self.level)
        self.orig_level = root.level
        root.setLevel(min(self.orig_level, self.level))
    return self.handler


_pytest.logging.catching_logs.__enter__ = _heard  # type: ignore[method-assign]  # replaced for all tests
langchain_core.tools.structured.create_schema_from_function = _schema
langchain_core.tools.base._create_subset_model = _subset
fastapi.routing.get_dependant = fastapi.dependencies.utils.get_dependant = _dependant
# The bytecode of a graph's nodes, in which LangGraph looks for graphs.
langgraph.pregel._utils.dis = SimpleNamespace(get_instructions=_instructions)  # type: ignore[assignment]  # replaced for all tests
# The entry points of each installed distribution.
importlib.metadata.PathDistribution.entry_points = property(lambda self: _entry_points(self._path))  # type: ignore[assignment]  # replaced for all tests
# The agent's files as one package.
one_package.moved_imports = functools.cache(one_package.moved_imports)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """FastAPI remembers thousands of functions, and with them the last hundred apps and their tasks."""
    if nextitem is None or nextitem.path != item.path:
        for remembered in vars(fastapi.dependencies.models).values():
            if isinstance(remembered, functools._lru_cache_wrapper):
                remembered.cache_clear()
