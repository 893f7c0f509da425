"""JSON-Schema-Test-Suite over the check of a tool's arguments."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.referees.referee import Case
from tools.arguments.validator import BoundedValidator

DRAFTS: Final = {
    "draft4": "http://json-schema.org/draft-04/schema#",
    "draft6": "http://json-schema.org/draft-06/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}


def run(folder: Path) -> Iterable[Case]:
    """The required cases of each draft whose schema is an object: a tool has no other."""
    for draft, uri in DRAFTS.items():
        for file in sorted((folder / "tests" / draft).glob("*.json")):
            for group in json.loads(file.read_bytes()):
                if isinstance(group["schema"], dict):
                    schema = {"$schema": uri} | group["schema"]
                    about = f"{file.stem}/{group['description']}{_unchecked(schema)}"
                    yield from _cases(draft, about, schema, group["tests"])


def _unchecked(schema: dict[str, Any]) -> str:
    """The keywords of a schema that are not checked."""
    text = json.dumps(schema)
    return "".join(f" ({keyword})" for keyword in ("pattern", "unevaluated") if f'"{keyword}' in text)


def _cases(draft: str, about: str, schema: dict[str, Any], tests: list[dict[str, Any]]) -> Iterator[Case]:
    try:
        validator = BoundedValidator(schema)
    except Exception as error:  # noqa: BLE001 - any refusal of a schema is a fault
        yield Case(draft, about, f"the schema is refused: {error}")
        return
    for test in tests:
        name = f"{about}/{test['description']}"
        try:
            faults = validator._faults(test["data"])
        except Exception as error:  # noqa: BLE001 - as above
            yield Case(draft, name, f"cannot be checked: {error!r}")
            continue
        if bool(faults) == test["valid"]:
            yield Case(draft, name, f"refused: {faults[0].problem}" if faults else "accepted")
        else:
            yield Case(draft, name)
