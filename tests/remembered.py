"""What libraries read or make anew for every application and client, the same each time, is made once."""

import functools
import importlib.metadata
import os
import ssl
from collections.abc import Callable
from importlib.metadata import Distribution, EntryPoints, PathDistribution
from pathlib import Path
from typing import Any, get_args

import fastapi._compat.v2
import httpx
import langchain_core.tools.structured
import langserve.api_handler
from pydantic import BaseModel


def _remember(module: Any, name: str, key: Callable[..., Any]) -> None:
    """`module.name` is called once for each `key` of its arguments."""
    make, made = getattr(module, name), {}

    @functools.wraps(make)
    def remembered(*args: Any, **options: Any) -> Any:
        if (wanted := key(*args, **options)) not in made:
            made[wanted] = make(*args, **options)
        return made[wanted]

    setattr(module, name, remembered)


def _content(value: Any) -> Any:
    """A model by its name and fields: LangServe makes one for the configuration of each application."""
    is_model = isinstance(value, type) and issubclass(value, BaseModel)
    return (value.__name__, repr(value.model_fields)) if is_model else value


# The schema of a tool's arguments, by the code of its function.
_remember(
    langchain_core.tools.structured,
    "create_schema_from_function",
    lambda name, function, **options: (
        name,
        getattr(function, "__wrapped__", function).__code__,
        repr(options),
    ),
)
# The types of FastAPI's parameters, bodies and responses, with what is declared about them.
_remember(
    fastapi._compat.v2,
    "TypeAdapter",
    lambda annotated, config=None: (get_args(annotated)[0], repr(get_args(annotated)[1:]), repr(config)),
)
# The models of LangServe's routes, and their JSON schemas.
_remember(langserve.api_handler, "_schema_json", lambda model: model)
for _name in ("invoke", "batch", "stream", "stream_log", "stream_events"):
    _remember(
        langserve.api_handler, f"create_{_name}_request_model", lambda *types: tuple(map(_content, types))
    )
for _name in ("invoke", "batch"):
    _remember(
        langserve.api_handler, f"create_{_name}_response_model", lambda *types: tuple(map(_content, types))
    )


@functools.cache
def _entry_points(folder: Path) -> EntryPoints:
    found: EntryPoints = Distribution.entry_points.fget(PathDistribution(folder))  # type: ignore[attr-defined]
    return found


# The entry points of each installed distribution.
importlib.metadata.PathDistribution.entry_points = property(lambda self: _entry_points(self._path))  # type: ignore[assignment]

_create = httpx._config.create_ssl_context


@functools.cache
def _of_public_roots(*_: Any) -> ssl.SSLContext:
    return _create()


def _ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    """The public roots are read once for the clients of all tests, most of which speak HTTP."""
    if verify is not True or cert is not None:
        return _create(verify, cert, trust_env)
    variables = map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")) if trust_env else ()
    return _of_public_roots(*variables)


httpx._transports.default.create_ssl_context = _ssl_context
