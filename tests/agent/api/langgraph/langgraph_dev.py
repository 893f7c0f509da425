"""`langgraph dev`, which also writes its route table to the file `routes.json`.

Run as a program. The table holds what no document of the server's lists.
"""

import importlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

serve = uvicorn.run


def routes_of(routes: Iterable[Any], prefix: str = "") -> Iterator[str]:
    """`METHOD /path/{parameter}`, `WEBSOCKET /path` or `MOUNT /path` for each route, nested ones included.

    HEAD goes with GET and is not listed.
    """
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if methods := getattr(route, "methods", None):
            yield from (f"{method} {path}" for method in sorted(methods - {"HEAD"} or methods))
        elif "WebSocket" in type(route).__name__:
            yield f"WEBSOCKET {path}"
        elif included := getattr(route, "original_router", None):  # FastAPI's way to include a router
            yield from routes_of(included.routes, path + route.include_context.prefix)
        elif inner := getattr(route, "routes", None):
            yield from routes_of(inner, path)
        else:
            yield f"MOUNT {path}"


def run(app: str, **options: Any) -> None:
    """Writes the table, then serves."""
    module, _, name = app.partition(":")
    table = routes_of(getattr(importlib.import_module(module), name).routes)
    Path("routes.json").write_text(json.dumps(list(table)), encoding="utf-8")
    serve(app, **options)


if __name__ == "__main__":
    from langgraph_cli.cli import cli

    uvicorn.run = run  # type: ignore[assignment]  # replaced in this process
    cli()
