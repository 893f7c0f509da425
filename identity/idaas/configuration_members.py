"""The members of a configuration file, read one by one; faults are collected rather than raised."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from identity.transport.secure_url import is_secure_url

# The SDK's own rules for turning camelCase into snake_case, so that both find the same members.
_WORD_BEGINNINGS = tuple(map(re.compile, (r"([0-9])([A-Z])", r"([a-z])([A-Z])", r"([A-Z])([A-Z][a-z])")))
_SCOPE_ITEM = re.compile(r"[^|]+\|[^|]+")
_MIN_MS = 2000  # the SDK's limits
_MAX_MS = 60_000


@dataclass(frozen=True, slots=True)
class ConfigurationMembers:
    """The members of one JSON object by name; `prefix` leads from the file's root to it.

    A reader that finds a fault notes it and returns an empty value, so that reading goes on.
    """

    values: Mapping[str, Any]
    prefix: str
    faults: list[str]

    def fault(self, name: str, fault: str) -> None:
        """Notes a fault of a member."""
        self.faults.append(f'member "{self.prefix}{name}" {fault}')

    def text(self, name: str, *, required: bool = False) -> str:
        """A text without white space at its ends; `""` if absent."""
        value = self.values.get(snake_case(name))
        if value is None or value == "":
            if required:
                self.fault(name, "is missing")
            return ""
        if not isinstance(value, str) or value != value.strip() or not value.isprintable():
            self.fault(name, f"must be a text without white space around it, found {_kind(value)}")
            return ""
        return value

    def pem(self, name: str) -> str:
        """A text in PEM form, as it is in the file; `""` if it is absent, which is a fault."""
        value = self.values.get(snake_case(name))
        if value is None or value == "":
            self.fault(name, "is missing")
        elif not isinstance(value, str) or "-----BEGIN" not in value or not value.isascii():
            self.fault(name, f"must be a text in PEM form, found {_kind(value)}")
        else:
            return value
        return ""

    def inner(self, name: str, *, required: bool = False) -> "ConfigurationMembers":
        """The members of an inner object; none if absent."""
        value = self.values.get(snake_case(name))
        if required and value in (None, {}):
            self.fault(name, "is missing")
        elif value is not None and not isinstance(value, dict):
            self.fault(name, f"must be an object, found {_kind(value)}")
        members = value if isinstance(value, dict) else {}
        return ConfigurationMembers(members, f"{self.prefix}{name}.", self.faults)

    def endpoint(self, name: str) -> str:
        """A URL. Like the SDK, http and a missing scheme become https, and a port stays."""
        text = self.text(name, required=True)
        if not text:
            return ""
        url = "https://" + text.removeprefix("https://").removeprefix("http://")
        if not is_secure_url(url) or "?" in url or "#" in url:
            self.fault(name, "must be a URL with a host, without user, query and fragment")
            return ""
        return url

    def origin(self, name: str) -> str:
        """A host with an optional port, as an https origin; a scheme is accepted, a path is not."""
        url = self.endpoint(name)
        if url and urlsplit(url).path not in ("", "/"):
            self.fault(name, "must be a host, optionally with a port")
            return ""
        return url.rstrip("/")

    def check_scope(self, name: str) -> None:
        """Notes a fault unless it is items `audience|permission`, separated by spaces, of one audience."""
        items = self.text(name).split()
        if not all(_SCOPE_ITEM.fullmatch(item) for item in items):
            self.fault(name, 'must be of the form "audience|permission"')
        elif len({item.split("|")[0] for item in items}) > 1:
            self.fault(name, "must name one audience only")

    def seconds(self, name: str, *, default: float) -> float:
        """A time in milliseconds, returned in seconds."""
        value = self.values.get(snake_case(name))
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not _MIN_MS <= value <= _MAX_MS:
            self.fault(name, f"must be a whole number of milliseconds from {_MIN_MS} to {_MAX_MS}")
            return default
        return value / 1000

    def flag(self, name: str) -> bool:
        """True or false; false if absent."""
        value = self.values.get(snake_case(name))
        if value is not None and not isinstance(value, bool):
            self.fault(name, f"must be true or false, found {_kind(value)}")
        return value is True

    def variable(self, name: str, environment: Mapping[str, str]) -> str:
        """The value of the environment variable that the member names."""
        variable = self.text(name, required=True)
        if not variable:
            return ""
        value = environment.get(variable, "")
        if not value.strip():
            self.fault(name, f'names the environment variable "{variable}", which is not set')
            return ""
        if "-----BEGIN" not in value and value != value.strip():
            self.fault(name, f'names the environment variable "{variable}", which has white space at an end')
        return value


def parse_members(text: bytes, faults: list[str]) -> ConfigurationMembers | None:
    """The members of the JSON object in `text`, or `None`, with the fault noted."""
    twice: list[str] = []

    def by_snake_case(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, value in pairs:
            if snake_case(name) in members:
                twice.append(name)
            members[snake_case(name)] = value
        return members

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=by_snake_case)
    except json.JSONDecodeError as error:
        faults.append(f"the file is not JSON: line {error.lineno}, column {error.colno}")
        return None
    except (ValueError, RecursionError):
        faults.append("the file is not JSON in UTF-8")
        return None
    if not isinstance(value, dict):
        faults.append(f"the file must be a JSON object, found {_kind(value)}")
        return None
    faults.extend(f'member "{name}" is given twice' for name in twice)
    return ConfigurationMembers(value, "", faults)


def snake_case(name: str) -> str:
    """`idaasInstanceId` → `idaas_instance_id`."""
    for beginning in _WORD_BEGINNINGS:
        name = beginning.sub(r"\1_\2", name)
    return name.lower()


def _kind(value: object) -> str:
    names = {str: "such a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object")
