"""The node `credentials`: resolves what the next step needs, concurrently, and nothing else."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.approvals.consents import Consents, Outcome
from graph.callers import Visit
from graph.credentials.run_credentials import RunCredentials, UnavailableCredential
from graph.credentials.service_credentials import ServiceCredential, ServiceCredentials
from graph.error_codes import MODEL, error_of_node
from graph.state import AgentState
from graph.tool_calls.requested_calls import called_services
from identity.credentials.requirement import Credential
from identity.error_codes import IdentityCode
from identity.errors import AgentError, AuditError, UnreachableError
from tools.service import Service


@dataclass(frozen=True, slots=True)
class CredentialsNode:
    """Before the model: its key, and the credentials of services that must be requested for their tools.
    Before services: the credentials of the called services.

    A failure to obtain the model's key ends the run. A service's failure is kept in the state and becomes the
    result of that service's calls in this run: a question that does not need the service still succeeds.

    `seconds` bounds the time for each credential. `consents` asks the user for missing consents.
    """

    services: Sequence[Service]
    service_credentials: ServiceCredentials
    seconds: float
    consents: Consents | None = None

    async def __call__(self, visit: Visit) -> dict[str, Any]:
        """The credentials of the next step. Raises `AgentError` for the model's key, and `AuditError`."""
        state = visit.state
        credentials = {
            name: self.service_credentials.of(visit.caller, name, state)
            for name in self.service_credentials.requirements
        }
        needed = self._needed(state, credentials)
        resolved: dict[str, Outcome] = {}
        for name in needed:
            credential = credentials[name].known()
            if credential is not None:
                resolved[name] = credential
        missing = [name for name in needed if name not in resolved]
        obtained = await asyncio.gather(*(self._obtain(name, credentials[name]) for name in missing))
        resolved.update(zip(missing, obtained, strict=True))
        for name, outcome in resolved.items():
            if isinstance(outcome, AuditError) or (name == MODEL and isinstance(outcome, AgentError)):
                raise outcome
        again = self.consents is not None and await self.consents.settle(resolved, visit)
        of_run = {name: _in_state(outcome) for name, outcome in resolved.items()}
        update: dict[str, Any] = {"credentials": RunCredentials(of_run)}
        if again or state.get("consenting"):
            update["consenting"] = again
        return update

    def _needed(self, state: AgentState, credentials: Mapping[str, ServiceCredential]) -> list[str]:
        """The nodes whose credentials the next step needs."""
        if called := called_services(state):
            return [name for name in credentials if name in called]
        needed: list[str] = []
        if MODEL in credentials and not state.get("requested"):
            needed.append(MODEL)
        for service in self.services:
            name = service.name
            if name in credentials and service.cached_tools(credentials[name]) is None:
                needed.append(name)
        return needed

    async def _obtain(self, name: str, credential: ServiceCredential) -> Credential | AgentError:
        try:
            async with asyncio.timeout(self.seconds):
                return await credential.credential()
        except AgentError as error:
            return error
        except TimeoutError:
            detail = f'the credential of "{name}" was not issued within {self.seconds:g} s'
            return error_of_node(UnreachableError(IdentityCode.IDAAS_UNREACHABLE, detail), name)


def _in_state(outcome: Outcome) -> Credential | UnavailableCredential:
    """The outcome as the state has it. Several runs may have the same error."""
    return UnavailableCredential(outcome.again()) if isinstance(outcome, AgentError) else outcome
