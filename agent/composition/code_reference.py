"""Loads code that the settings name: `package.module:function`, or `file.py:function`."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError
from identity.observation.failure import place_of

A = TypeVar("A")
B = TypeVar("B")


def load_function(reference: str, folder: Path | None = None) -> Callable[..., Any]:
    """The function that `reference` names. A file is relative to `folder`. Raises what the import raises."""
    module_name, _, name = reference.partition(":")
    if folder is None or not module_name.endswith(".py"):
        module = importlib.import_module(module_name)
    else:
        path = folder / module_name
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(name=module_name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, name)
    return function


def failure_of(error: Exception) -> str:
    """The type of `error` and where it was raised. Its text is left out: it may contain anything."""
    return f"it raised {type(error).__name__} at {Path(place_of(error)).name}"


def load_both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Both results. Raises one `ConfigurationError` with the faults of both."""
    faults: list[str] = []
    results: list[Any] = []
    for load in (first, second):
        try:
            results.append(load())
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, faults)
    return results[0], results[1]
