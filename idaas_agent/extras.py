"""Which extra of the distribution has a package that is not installed. No public name; loads nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

EXTRAS: Final = {
    "cedarpy": "policy",
    "fastapi": "server",
    "jinja2": "sandbox",
    "joserfc": "sandbox",
    "langchain_mcp_adapters": "mcp",
    "langchain_openai": "server",
    "langserve": "server",
    "markdown_it": "server",
    "mcp": "mcp",
    "openai": "server",
    "opentelemetry": "otel",
    "prometheus_client": "server",
    "psycopg": "postgres",
    "redis": "redis",
    "rich": "server",
    "sse_starlette": "server",
    "starlette": "server",
    "tomlkit": "sandbox",
    "typer": "server",
    "uvicorn": "server",
}
"""The extra that a message names, by the imported module. `server` has all of them but `cedarpy`."""


OF_APPLICATIONS: Final = frozenset({"langchain"})
"""Packages that no extra has: an application that uses what needs them has them."""


class MissingExtraError(ImportError):
    """The installation lacks an extra of the distribution, or a package of the application. Its text names
    it.
    """


def extra_for(module: str) -> str | None:
    """`idaas-agent[server]`, if `module` is not installed and this extra has it; the package, if no extra
    has it; else `None`.
    """
    is_known = module in OF_APPLICATIONS or module in EXTRAS
    if not is_known or find_spec(module) is not None:
        return None
    return f"the package {module}" if module in OF_APPLICATIONS else f"idaas-agent[{EXTRAS[module]}]"


def require_extra(extra: str, what: str) -> None:
    """Raises `MissingExtraError` if a package of `extra` is not installed: before `what` begins."""
    for module, needed in EXTRAS.items():
        if needed == extra and find_spec(module) is None:
            raise MissingExtraError(f"{what} needs idaas-agent[{extra}]", name=module)


def missing_extra(error: ImportError) -> str | None:
    """See `extra_for`, of the package whose import `error` is about."""
    return extra_for((error.name or "").partition(".")[0])


@contextmanager
def named_extra(what: str) -> Iterator[None]:
    """Raises `MissingExtraError`, "`what` needs idaas-agent[…]", if an import of the block lacks an extra."""
    try:
        yield
    except ImportError as error:
        if (extra := missing_extra(error)) is None:
            raise
        raise MissingExtraError(f"{what} needs {extra}", name=error.name) from None
