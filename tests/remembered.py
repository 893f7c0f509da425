"""What libraries read or make anew for every application and client, the same each time, is made once."""

import functools
import importlib.metadata
import os
import ssl
from importlib.metadata import Distribution, EntryPoints, PathDistribution
from pathlib import Path
from typing import Any

import httpx
import langserve.api_handler

# The JSON schemas of the two models of LangServe's routes.
langserve.api_handler._schema_json = functools.cache(langserve.api_handler._schema_json)


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
