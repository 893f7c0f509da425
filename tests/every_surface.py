"""What plug-ins add to the tests of all surfaces. Those tests name no plug-in, but a list.

A plug-in has its part in `plugins/NAME/tests/every_surface.py`. A list that a plug-in does not have is empty.

| list | an entry |
|---|---|
| `SURFACES` | an async function of a served agent, a question and headers, which returns the response |
| `PROGRESS` | one of `SURFACES`, and a text of the line that shows how far a tool is |
| `ROUTES` | method and path, one of each kind |
| `SHIPPED` | a path that anyone may read, a member of its JSON, and the member's value |
| `ADDRESSES` | a path that anyone may read, whose JSON has the agent's address |
| `MEMBERS_TWICE` | a path, and a body that names a member twice |
| `DECISIONS` | an `ApprovalSurface` |
| `VARIABLES` | a variable and a value, with which it has all its routes |
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

PLUGINS = Path(__file__).parent.parent / "plugins"


def of_plugins(name: str) -> list[Any]:
    """The entries of the list `name` of all plug-ins."""
    found: list[Any] = []
    for file in sorted(PLUGINS.glob("*/tests/every_surface.py")):
        plugin = file.parent.parent.name
        module = import_module(f"plugins.{plugin}.tests.every_surface")
        found += getattr(module, name, [])
    return found


def routes_of_plugins() -> dict[str, list[str]]:
    """`plugins/NAME/tests/routes.json` of all plug-ins, together: routes by who may use them."""
    found: dict[str, list[str]] = {}
    for file in sorted(PLUGINS.glob("*/tests/routes.json")):
        for kind, routes in json.loads(file.read_text()).items():
            found.setdefault(kind, []).extend(routes)
    return found
