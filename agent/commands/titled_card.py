"""The card of a call on a terminal, with the operator's titles beside the names of tool and arguments."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx

from identity.printable import printable_line


def read_titles(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """The services of an agent, as `/services` has them; empty if it cannot be asked."""
    with suppress(httpx.HTTPError, ValueError):
        response = httpx.get(f"{url}/services", headers=dict(headers), timeout=10)
        services = response.raise_for_status().json().get("services")
        return services if isinstance(services, dict) else {}
    return {}


def titled(card: str, services: Mapping[str, Any], service: str, tool: str) -> list[str]:
    """The lines of `card`, which has a line for each argument: below a line with the title of the tool, and
    with titles before the names of arguments. Without a title, as they are.
    """
    lines = card.split("\n")
    shown = _member(_member(services, service, "tools"), tool)
    title = _text(_member(shown, "title"))
    arguments = _member(shown, "arguments")
    for name, words in arguments.items():
        beginning = f"· {name}: "
        said = f"· {printable_line(_text(words) or name)} ({name}): "
        lines = [
            said + line.removeprefix(beginning) if line.startswith(beginning) else line for line in lines
        ]
    return [f"{printable_line(title)}:", *lines] if title else lines


def _member(members: Mapping[str, Any], *names: str) -> dict[str, Any]:
    found: Any = members
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _text(words: Any) -> str:  # noqa: ANN401 - of a response
    text = words.get("en") if isinstance(words, Mapping) else None
    return text if isinstance(text, str) else ""
