"""The credentials of a run, on a channel of the state that is neither saved nor shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langgraph.channels import UntrackedValue

from identity.credentials.requirement import Credential
from identity.errors import AgentError
from identity.secrets.secret import Secret, Unshown


@dataclass(frozen=True, slots=True)
class UnavailableCredential:
    """A service's credential could not be obtained: its calls in this run fail with this `error`."""

    error: AgentError = field(repr=False)


InState: TypeAlias = Credential | UnavailableCredential | None
"""`None`: not resolved, or no longer valid."""


class RunCredentials(Unshown):
    """Credentials by the names of nodes: `model`, and each service's.

    Streams of every mode, tracers, JSON and checkpoints see an empty object: neither secrets, nor what they
    are for, where they are sent and when they expire. Pickling is refused; a copy is the same object.
    """

    __slots__ = ("_by_name",)

    _by_name: Mapping[str, InState]

    def __init__(self, by_name: Mapping[str, InState]) -> None:
        super().__init__()
        object.__setattr__(self, "_by_name", by_name)

    def get(self, name: str) -> InState:
        """The credential of the node `name`."""
        return self._by_name.get(name)

    def secrets(self) -> Iterable[Secret]:
        """The secrets of all credentials."""
        secrets: list[Secret] = []
        for credential in self._by_name.values():
            if isinstance(credential, Credential):
                secrets += credential.secrets
        return secrets

    def updated(self, newer: "RunCredentials") -> "RunCredentials":
        """All credentials of both; `newer` replaces a credential of the same name."""
        return RunCredentials({**self._by_name, **newer._by_name})  # noqa: SLF001 - its own class

    def __repr__(self) -> str:
        return "RunCredentials()"

    __str__ = __repr__


NO_CREDENTIALS = RunCredentials({})


class CredentialsChannel(UntrackedValue[RunCredentials]):
    """Untracked, and merging: nodes of one step may each renew their own credential."""

    def update(self, values: Sequence[Any]) -> bool:
        """Merges all `values`. Ignores what is not `RunCredentials`: a client may have written it."""
        written = [value for value in values if isinstance(value, RunCredentials)]
        if not written:
            return False
        merged = self.value if self.is_available() else NO_CREDENTIALS
        for value in written:
            merged = merged.updated(value)
        self.value = merged
        return True


def in_state(state: Mapping[str, object]) -> RunCredentials:
    """The credentials of `state`."""
    credentials = state.get("credentials")
    return credentials if isinstance(credentials, RunCredentials) else NO_CREDENTIALS
