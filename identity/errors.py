"""The error tree. One class for each decision that a caller makes.

    AgentError
    ├── ConfigurationError            do not start
    ├── AccessTokenError              401: the caller must sign in again
    │   └── InsufficientScopeError    403: signing in again is not enough
    ├── CredentialError               the step that needs the credential fails; asking again does not help
    │   └── RequirementRefusedError   one requirement is refused: other credentials stay in use
    │       ├── ConsentRequiredError       the user opens an address, and asks again
    │       └── PrerequisiteRefusedError   a fresh prerequisite may help: renew it once
    ├── ApprovalError                 409: an answer, or a call, does not fit its approval
    ├── UnreachableError              temporary: try again later
    ├── LimitError                    429: the caller sends too much: wait
    ├── UnavailableError              503: the agent cannot do the work now: try again in a moment
    ├── ThreadNotFoundError           404: the caller has no such conversation
    ├── ThreadBusyError               409: a run of the conversation is in progress: wait
    ├── StorageLimitError             409: the conversation, or its user, has stored too much: delete some
    ├── RunTimeoutError               504: the run took too long: ask for less at once
    ├── InternalError                 500: a fault of the agent: operators read the log
    ├── AuditError                    what is not on record must not go on
    └── ServiceError                  a downstream service (model, tool) failed

`AgentError` itself is never raised. Each layer declares the codes of its errors (`identity.errors`).

An error has words for two readers. `for_person`, and so `str(error)`, is what callers, the page and the model
may read. `detail` and the `row` are for operators: lower case, the thing in quotes, expected then found. They
may name clients, scopes, credentials and settings, but never contain a token, a secret or the body of an
upstream response, so they may be logged. A traceback shows them as a note.
"""

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from identity.secrets.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """One code in the words of its two readers.

    `person` is one or two sentences without the last full stop; `{service}` stands for the service that the
    error is about. It names no variable, client, credential, audience or scope.

    `symptom`, `cause` and `remedy` are for operators: `doctor` and the log show them, responses and prompts
    do not. `{settings}` in `remedy` stands for the settings to check. Only the layer that
    reads the settings knows their names; elsewhere the remedy contains `unnamed_settings`.
    """

    code: str = field(kw_only=False)
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

    `texts`, by default the file `errors.toml` beside the class, has the row of each code in a table of its
    own. It is read once, when the class is made. A code with two names, a code without a row, and a row
    without a code raise `ValueError`; a row that lacks a member or has another one raises `TypeError`.

    A caller may branch on codes; the texts of a row may be reworded.
    """

    _value_: str
    row: ErrorRow

    def __init_subclass__(cls, *, texts: Path | None = None) -> None:
        super().__init_subclass__()
        if texts is None:
            texts = Path(str(sys.modules[cls.__module__].__file__)).with_name("errors.toml")
        other_names = [name for name, code in cls.__members__.items() if name != code.name]
        if other_names:
            raise ValueError(f"{cls.__name__} has a code of two names: {', '.join(other_names)}")
        tables = tomllib.loads(texts.read_text("utf-8"))
        unmatched = tables.keys() ^ {*cls}
        if unmatched:
            codes = ", ".join(sorted(unmatched))
            raise ValueError(f"{texts} and {cls.__name__} do not have the same codes: {codes}")
        for code in cls:
            code.row = ErrorRow(code.value, **tables[code])


class AgentError(Exception):
    """Base of all errors of this project.

    `code` is stable. `detail` is what happened this time, for operators; it begins with `about`, which names
    what it happened to: a client, a scope, a credential. `service` is the name of the service that the error
    is about, or `None`, and `settings` are the names of the settings to check, which only operators read.
    `retry_after` is the wait in seconds that is known or was requested, if there is one. `row` has the words
    of the code.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        about: str = "",
        service: str | None = None,
        settings: Sequence[str] = (),
        retry_after: float | None = None,
    ) -> None:
        self.code = code
        self.settings = tuple(settings)
        self.retry_after = retry_after
        self.detail = f"{about}: {detail}" if about else detail
        self.service = service or code.row.service
        self._title: str | None = None
        super().__init__(self._text())
        self.add_note(self._note())

    @property
    def row(self) -> ErrorRow:
        """The words of the code; the remedy names `settings`."""
        return self.code.row.naming(self.settings)

    def for_person(self, reference: str | None = None) -> str:
        """The text that a person reads. `reference` is the id of their request."""
        title = self._title
        if not title and self.service:
            title = f"the {self.service} service"
        return self.row.for_person(title, reference)

    def of(self, service: str, settings: Sequence[str] = (), *, title: str | None = None) -> Self:
        """A copy of the error that is about `service`, which declares `settings`.

        `title` is how people call the service; by default "the {service} service". The original is unchanged:
        several requests may share it.
        """
        return self._copy(service=service, settings=tuple(settings) or self.settings, _title=title)

    def naming(self, settings: Sequence[str]) -> Self:
        """A copy of the error whose remedy names `settings`, unless it has settings of its own."""
        return self._copy(settings=self.settings or tuple(settings))

    def again(self) -> Self:
        """A copy to raise or to keep, of an error that others have, too.

        If one object were raised for two requests, each could reach the variables of the other by the frames
        of its traceback, which would grow with every raise. The tracebacks of this error and of those before
        it are dropped: they keep frames that keep the errors, and with them all that a run had.
        """
        error: BaseException | None = self
        while error is not None:
            error.__traceback__ = None
            error = error.__context__
        return self._copy()

    def _copy(self, **members: object) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__ | members)
        copied.__notes__ = []
        copied.args = (copied._text(),)  # noqa: SLF001 - its own class
        copied.add_note(copied._note())  # noqa: SLF001 - its own class
        return copied

    def _text(self) -> str:
        return f"{self.code}: {self.for_person()}"

    def _note(self) -> str:
        return f"{self.detail} (cause: {self.row.cause}; remedy: {self.row.remedy})"


class ConfigurationError(AgentError):
    """The configuration cannot be used. `faults` names every fault, one sentence each."""

    def __init__(self, code: ErrorCode, faults: Sequence[str]) -> None:
        super().__init__(code, "; ".join(faults))
        self.faults = tuple(faults)


class AccessTokenError(AgentError):
    """The caller's access token is missing or was refused (RFC 6750 `invalid_token`)."""


class InsufficientScopeError(AccessTokenError):
    """The caller's access token is valid, but lacks the required scope (RFC 6750 `insufficient_scope`)."""


class CredentialError(AgentError):
    """IDaaS, or another issuer, refused the credential."""


class RequirementRefusedError(CredentialError):
    """This one requirement is refused: the caller's other credentials stay in use."""


class ConsentRequiredError(RequirementRefusedError):
    """The user has to allow the access at `authorization_url`.

    Only this user may see the URL: an account that another person connects there becomes theirs. It is part
    of no message and no log record.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        authorization_url: Secret,
        **named: Any,  # noqa: ANN401 - as in `AgentError`
    ) -> None:
        super().__init__(code, detail, **named)
        self.authorization_url = authorization_url


class PrerequisiteRefusedError(RequirementRefusedError):
    """The credential that was presented to obtain this one is refused. A fresh prerequisite may help."""


class ApprovalError(AgentError):
    """An approval does not allow what is tried: it is another's, not open, used, expired, or for other
    arguments.

    `argument` is the path of an edited argument that does not fit the tool, such as `order.amount`; empty for
    all of them. `decided` is what the person may know of the decision before theirs: `decided_at`, in unix
    seconds, `decided_by`, a `sub`, and `decided_on`, a device.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        argument: str | None = None,
        decided: Mapping[str, object] | None = None,
    ) -> None:
        self.argument = argument
        self.decided = decided or {}
        super().__init__(code, detail)

    def for_person(self, reference: str | None = None) -> str:
        """See `AgentError`. It names the argument."""
        text = super().for_person(reference)
        return text if self.argument is None else f'Check "{self.argument or "arguments"}". {text}'


class UnreachableError(AgentError):
    """IDaaS did not respond, or its response cannot be used. Trying again later may help."""


class LimitError(AgentError):
    """The caller has reached a limit of the agent."""


class UnavailableError(AgentError):
    """The agent cannot do the work now for any caller: it is busy, or it is being stopped."""


class ThreadNotFoundError(AgentError):
    """The caller has no such conversation. Another principal's is not distinguished from none."""


class ThreadBusyError(AgentError):
    """A run of the conversation is in progress, or another one has taken it over."""


class StorageLimitError(AgentError):
    """Storing a value would exceed the limit `most` of `unit`: "bytes", "messages", "conversations"."""

    def __init__(self, code: ErrorCode, detail: str, *, unit: str, most: int) -> None:
        self.unit = unit
        self.most = most
        super().__init__(code, detail)

    def for_person(self, reference: str | None = None) -> str:
        """See `AgentError`. It begins with the limit."""
        most = f"{self.most / 2**20:,.0f} MiB" if self.unit == "bytes" else f"{self.most:,} {self.unit}"
        return f"The limit is {most}. {super().for_person(reference)}"


class RunTimeoutError(AgentError):
    """A run took more time than one run may take."""


class InternalError(AgentError):
    """A fault of the agent itself, by the type of its exception: the text may contain anything."""


class AuditError(AgentError):
    """The audit log cannot be written, and records are required: work without a record ends."""


class ServiceError(AgentError):
    """A downstream service failed. `status` is its HTTP status, if there was a response.

    `body` is the response's text, for the tool that sent the request: bounded, without the credential, and
    part of no message or trace; of no log line but that of a 400, where lines of DEBUG are written.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        status: int | None = None,
        body: str = "",
        **named: Any,  # noqa: ANN401 - as in `AgentError`
    ) -> None:
        super().__init__(code, detail, **named)
        self.status = status
        self.body = body
