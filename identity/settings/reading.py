"""Reads the variables of several groups: every fault at once, each by the variable's name."""

import contextlib
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx
from pydantic import ValidationError

from http1.proxy import environment_proxies
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.client_authentication.declaration import AuthenticationSources
from identity.idaas.configuration import DEFAULT_PATH, SdkConfiguration, read_sdk_configuration
from identity.printable import cut
from identity.settings.authentication_sources import authentication_sources
from identity.settings.quotation_marks import quotation_mark_faults, without_quotation_marks
from identity.settings.values import VariableGroup, holds, secret_in_file

_MAX_SHOWN: Final = 40
_KINDS: Final = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def groups_of(joined: type[VariableGroup]) -> list[type[VariableGroup]]:
    """The groups that `joined` joins, its last base first."""
    return [base for base in reversed(joined.__mro__) if vars(base).get("heading")]


def defaults_of(joined: type[VariableGroup]) -> dict[str, object]:
    """The variables of the groups that `joined` joins: name → default; `...` if it must be set."""
    return {
        name.upper(): ... if field.is_required() else field.default
        for group in groups_of(joined)
        for name, field in group.model_fields.items()
    }


@dataclass(frozen=True, slots=True)
class GivenVariables:
    """The variables that are set, and their faults."""

    environment: Mapping[str, str]
    """The variables that were read, without quotation marks."""
    given: dict[str, str]
    """The texts of those that are set, by their fields."""
    absent: dict[str, list[str]]
    """The faults of fields that are missing or invalid."""
    faults: list[str]
    """All others."""

    @classmethod
    def of(
        cls,
        environment: Mapping[str, str],
        joined: type[VariableGroup],
        *,
        unread: Set[str] = frozenset(),
        in_files: tuple[str, ...] = (),
    ) -> Self:
        """The variables of `environment` that are in the groups that `joined` joins; others are ignored.

        An empty variable counts as not set, and one pair of quotation marks around a value is taken off.
        Fields of the names `unread` have values that cannot be read here: they count as set, and have their
        defaults. Of `in_files`, a file may contain the value in the variable's place.
        Raises `ConfigurationError` for NUL characters.
        """
        if unusable := [name for name, value in environment.items() if "\0" in f"{name}{value}"]:
            nul_faults = [f"{name} must not contain a NUL character" for name in unusable]
            raise ConfigurationError(IdentityCode.SETTINGS_INVALID, nul_faults)
        names = defaults_of(joined)
        faults = quotation_mark_faults(environment, names)
        environment = without_quotation_marks(environment)
        texts = {name.lower(): environment.get(name, "").strip() for name in names}
        given = {name: text for name, text in texts.items() if text and name not in unread}
        for name in in_files:
            with contextlib.suppress(KeyError, ValueError):  # the field of the file reports it
                given[name] = secret_in_file(given[f"{name}_file"]).reveal()
        absent = _absent(given, joined, unread)
        for name in in_files:
            if f"{name}_file" in absent:
                absent[name] = absent[f"{name}_file"]
        try:
            environment_proxies(httpx)
        except ValueError as error:
            faults.append(str(error))
        faults += [fault for group in groups_of(joined) for fault in group.combination_faults(given)]
        return cls(environment, given, absent, faults)

    @property
    def all_faults(self) -> list[str]:
        """Each once, those of fields first."""
        of_fields = (fault for faults in self.absent.values() for fault in faults)
        return [*dict.fromkeys(of_fields), *self.faults]

    @property
    def authorities(self) -> str | None:
        """`SSL_CERT_FILE`, if it is there; that it is not is a fault of its own."""
        path = self.given.get("ssl_cert_file")
        return path if path and holds(Path(path).is_file) else None

    def sdk_configuration(
        self, clock: Callable[[], float] = time.time, *, authenticates: bool = True
    ) -> tuple[SdkConfiguration, AuthenticationSources]:
        """The SDK configuration that the variables name, and what they add to its client authentication.

        Raises `ConfigurationError` with its faults; see `read_sdk_configuration`.
        """
        path = Path(self.given.get("cloud_idaas_config_path", DEFAULT_PATH))
        sources = authentication_sources(self.given, self.authorities, clock)
        configuration = read_sdk_configuration(
            path, self.environment, clock=clock, sources=sources, authenticates=authenticates
        )
        return configuration, sources


def _absent(given: Mapping[str, str], joined: type[VariableGroup], unread: Set[str]) -> dict[str, list[str]]:
    """The faults of fields that are missing or invalid. Those of `unread` are neither."""
    absent: dict[str, list[str]] = {}
    for group in groups_of(joined):
        for name, fault in group.missing_faults({**dict.fromkeys(unread, ""), **given}).items():
            absent[name] = [fault]
    try:
        joined.model_validate(given)
    except ValidationError as error:
        absent |= {name: faults for name, faults in variable_faults(error).items() if name not in absent}
    return absent


def variable_faults(error: ValidationError) -> dict[str, list[str]]:
    """Every fault of the variables, by their fields: the variable's name, the expected value, the found one.

    It repeats the value of a number, a boolean or an enumeration only, never a value that may contain a
    secret, such as an address with a password.
    """
    faults: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False):
        faults.setdefault(str(fault["loc"][0]), []).append(_fault(fault))
    return faults


def _fault(fault: Mapping[str, Any]) -> str:
    name = ".".join(str(step) for step in fault["loc"][:1]).upper()
    kind = fault["type"]
    context = fault.get("ctx", {})
    found = _shown(fault.get("input"))
    if kind == "missing":
        return f"{name} must be set"
    if kind == "value_error":
        text = str(fault["msg"]).removeprefix("Value error, ")
        return f"{name} {text}{_file_of(fault, text)}".strip()
    if kind in _KINDS:
        return f"{name} must be {_KINDS[kind].format_map(context)}, found {found}"
    if kind == "string_pattern_mismatch":
        return f"{name} must be one word, without spaces"
    return f"{name} has a value that cannot be used"


def _file_of(fault: Mapping[str, Any], text: str) -> str:
    """The path of the file that a variable names, unless the `text` of the fault has it. Of a value that is
    no file nothing is shown: somebody may have put the secret itself there.
    """
    path = fault.get("input")
    is_file = str(fault["loc"][0]).endswith("_file") and isinstance(path, str) and holds(Path(path).is_file)
    return f' (the file "{path}")' if is_file and str(path) not in text else ""


def _shown(value: object) -> str:
    return cut(repr(value), _MAX_SHOWN)
