"""JSONTestSuite (RFC 8259) over each parser that reads JSON of others."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from identity.strict_json import read_object, read_value
from identity.transport.json_size import read_json
from tests.referees.referee import Case


def _member(text: bytes) -> Any:
    """The value as a member: this reader reads objects only."""
    return read_object(b'{"value":' + text + b"}")["value"]


def _of_service(text: bytes) -> Any:
    return read_json(text.decode())


PARSERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "bodies of requests": read_value,
    "tokens, IDaaS and arguments of tools": _member,
    "responses of services, MCP servers and models": _of_service,
}


def run(folder: Path) -> Iterable[Case]:
    """Each text by each parser: `y_` must be read, `n_` refused; of `i_` either is right. What is read can be
    written as JSON.
    """
    files = sorted((folder / "test_parsing").glob("*.json"))
    for group, parse in PARSERS.items():
        for file in files:
            yield Case(group, file.stem, _fault(parse, file.name[0], file.read_bytes()))


def _fault(parse: Callable[[bytes], Any], expected: str, text: bytes) -> str:
    try:
        value = parse(text)
    except ValueError as error:
        return f"refused: {error}" if expected == "y" else ""
    try:
        json.dumps(value, allow_nan=False).encode()
    except ValueError as error:
        return f"read, and cannot be written: {error}"
    return "read" if expected == "n" else ""
