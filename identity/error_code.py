"""A stable code of an error, and its row of the error table: the words for two readers.

Each layer declares its codes in a module `error_codes`, as an enum that extends `ErrorCode`:
`identity.error_codes`, `tools.error_codes`, `graph.error_codes`, `agent.errors.error_codes`. A code carries
its own row, so no layer needs to know the codes of another. `agent.errors.error_table` joins them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """One code in the words of its two readers.

    `person` is one or two sentences without the last full stop; `{service}` stands for the service that the
    error is about. It names no variable, client, credential, audience or scope.

    `symptom`, `cause` and `remedy` are for operators: `doctor` and the log show them, responses and prompts
    do not. `{settings}` in `remedy` stands for the settings to check. Only the layer that
    reads the settings knows their names; elsewhere the remedy contains `unnamed_settings`.
    """

    symptom: str
    cause: str
    remedy: str
    person: str
    service: str | None = None
    """The service that every error of this code is about, if there is one."""
    unnamed_settings: str = "the declaration of the service"
    caused_by_callers: bool = True
    """Whether a caller can cause it. If not, it is logged as an error, else as a warning: a caller without a
    permission must not fill the log with errors."""

    def naming(self, settings: Sequence[str]) -> "ErrorRow":
        """The row whose remedy names `settings`; without any, it contains `unnamed_settings`."""
        named = ", ".join(settings) or self.unnamed_settings
        return replace(self, remedy=self.remedy.replace("{settings}", named))

    def for_person(self, service: str | None = None, reference: str | None = None) -> str:
        """The text for a person. `service` is how people call the service: "the leave service".

        `reference` is the request id, by which operators find the line of the log.
        """
        end = f"; reference {reference}." if reference else "."
        return self.person.format(service=service or "a service that the agent needs") + end


class ErrorCode(StrEnum):
    """The base of the codes of all layers: a member is its stable text, and has a `row`.

    A caller may branch on codes; the texts of a row may be reworded.
    """

    _value_: str
    row: ErrorRow

    def __new__(cls, value: str, row: ErrorRow) -> Self:
        """A member with the text `value`."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.row = row
        return member
