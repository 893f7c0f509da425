"""What libraries compute anew for every agent that is composed, the same each time, is computed once.

What they remember of agents is forgotten.
"""

import copy
import dataclasses
import dis
import functools
import importlib.metadata
import inspect
import logging
import sys
import typing
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
import langgraph.graph._branch
import langgraph.graph.state
import langgraph.pregel._utils
import pytest
from fastapi.datastructures import DefaultPlaceholder

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


def _is_local(declared: str) -> bool:
    """Whether a declaration names an object or a class of one app only."""
    return " at 0x" in declared or "<locals>" in declared


def _declaration(call: Callable[..., Any], options: dict[str, Any]) -> Any:
    """The code and the declaration of a route's function; `None` if they have something of one app only."""
    if not isinstance(call, FunctionType) or vars(call).keys() & {"__wrapped__", "__signature__"}:
        return None
    values = {
        name: value.value if isinstance(value, DefaultPlaceholder) else value
        for name, value in options.items()
        if name != "generate_unique_id_function"  # the agent has one for all routes, FastAPI's
    }
    declared = repr((call.__defaults__, call.__kwdefaults__, call.__annotations__, values))
    if _is_local(declared):
        return None
    placeholders = [name for name, value in options.items() if isinstance(value, DefaultPlaceholder)]
    return call.__code__, call.__code__.co_filename, declared, *placeholders


_get_dependant = fastapi.dependencies.utils.get_dependant
_dependants: dict[Any, Any] = {}


def _dependant(*, call: Callable[..., Any], **options: Any) -> Any:
    """What a route's function declares, by the function's code and declaration. FastAPI reads it twice."""
    key = _declaration(call, options)
    if key is None:
        return _get_dependant(call=call, **options)
    if key not in _dependants:
        _dependants[key] = dataclasses.replace(_get_dependant(call=call, **options), call=None)
    return _dependant_of(call, _dependants[key])


def _dependant_of(call: Callable[..., Any], dependant: Any) -> Any:
    copied = copy.copy(dependant)
    copied.call = call
    for name in _LISTS:
        setattr(copied, name, [*getattr(dependant, name)])
    return copied


_LISTS = ("path_params", "query_params", "header_params", "cookie_params", "body_params", "dependencies")
_populate = fastapi.routing._populate_api_route_state
_states: dict[Any, dict[str, Any]] = {}


def _route_state(route: Any, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
    """What FastAPI works out of a route, by its function's code and declaration: for each app, it does so
    twice.
    """
    app = options.pop("dependency_overrides_provider", None)
    key = _declaration(endpoint, {"path": path, **options})
    if key is None:
        _populate(route, path, endpoint, dependency_overrides_provider=app, **options)
        return
    if key not in _states:
        blank = SimpleNamespace()
        _populate(blank, path, endpoint, **options)
        _states[key] = vars(blank)
    state = _states[key].items()
    vars(route).update({n: v.copy() if isinstance(v, list | dict | set) else v for n, v in state})
    route.endpoint, route.dependency_overrides_provider = endpoint, app
    route.dependant = _dependant_of(endpoint, route.dependant)


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


_name_of = PathDistribution._normalized_name.fget  # type: ignore[attr-defined]  # a property


@functools.cache
def _name(folder: Path) -> Any:
    return _name_of(PathDistribution(folder))


def _import_path() -> tuple[tuple[str, int | None], ...]:
    """Its folders, and when something was last added to each or removed."""
    return tuple((folder, _changed(folder)) for folder in sys.path)


def _changed(folder: str) -> int | None:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return None


_entry_points_of = importlib.metadata.entry_points
_selected: dict[Any, Any] = {}


def _selected_entry_points(**selection: Any) -> Any:
    """Entry points, until a folder on the import path changes: an agent asks five times as it starts."""
    key = (_import_path(), *sorted(selection.items()))
    if key not in _selected:
        _selected[key] = _entry_points_of(**selection)
    return _selected[key]


@functools.cache
def _instructions(code: CodeType) -> list[dis.Instruction]:
    return list(dis.get_instructions(code))


_type_hints = typing.get_type_hints
_hints: dict[Any, dict[str, Any]] = {}


def _hints_key(declared: Any, options: str) -> Any:
    """`None` for what is of one app only."""
    if isinstance(declared, type):
        return None if _is_local(declared.__qualname__) else (declared, options)
    if not isinstance(declared, FunctionType):
        return None
    annotations = repr(declared.__annotations__)
    if _is_local(annotations):
        return None
    return declared.__code__, declared.__code__.co_filename, annotations, options


def _hints_of(declared: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
    """The types of a graph's node, by the function's code and annotations; those of a graph's state."""
    key = None if arguments else _hints_key(getattr(declared, "__func__", declared), repr(options))
    if key is None:
        return _type_hints(declared, *arguments, **options)
    if key not in _hints:
        _hints[key] = _type_hints(declared, **options)
    return dict(_hints[key])


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
fastapi.routing._populate_api_route_state = _route_state
# The bytecode of a graph's nodes, in which LangGraph looks for graphs.
langgraph.pregel._utils.dis = SimpleNamespace(get_instructions=_instructions)  # type: ignore[assignment]  # replaced for all tests
langgraph.graph.state.get_type_hints = langgraph.graph._branch.get_type_hints = _hints_of
# The entry points and the name of each installed distribution, and the entry points of all.
importlib.metadata.PathDistribution.entry_points = property(lambda self: _entry_points(self._path))  # type: ignore[assignment]  # replaced for all tests
importlib.metadata.PathDistribution._normalized_name = property(lambda self: _name(self._path))  # type: ignore[attr-defined]  # replaced for all tests
importlib.metadata.entry_points = _selected_entry_points
# The agent's files as one package.
one_package.moved_imports = functools.cache(one_package.moved_imports)


_import_folders: list[str] = []


@pytest.hookimpl
def pytest_collection_finish() -> None:
    _import_folders.extend(sys.path)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """FastAPI remembers thousands of functions, and with them the last hundred apps and their tasks. The
    folders of apps' graphs stay on the import path, and an agent that starts looks at each.
    """
    if nextitem is None or nextitem.path != item.path:
        sys.path[:] = _import_folders
        for remembered in vars(fastapi.dependencies.models).values():
            if isinstance(remembered, functools._lru_cache_wrapper):
                remembered.cache_clear()
