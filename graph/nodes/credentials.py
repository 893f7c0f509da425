"""The node `credentials`: what the next step needs is obtained, side by side, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from graph.context import AgentContext
from graph.node_error import MODEL, error_of_node
from graph.nodes.caller import Callers
from graph.service_credentials import ServiceCredential, ServiceCredentials
from graph.state import AgentState, UnavailableCredential
from graph.tool_calls import called_services
from identity.credentials.credential import Credential
from identity.error_codes import IdentityCode
from identity.errors import AgentError, AuditError, UnreachableError
from identity.secret import Secret
from tools.service import Service


class CredentialsNode:
    """Before the model: its key, and the credential of each service that must be asked for its tools.
    Before services: the credentials of those that are called.

    Without the model's key there is no answer: that failure ends the run. A service's failure is noted, and
    its calls in this run are answered with it: a question that does not need the service is still answered.
    """

    def __init__(
        self, services: Sequence[Service], callers: Callers, accesses: ServiceCredentials, seconds: float
    ) -> None:
        self._services = services
        self._callers = callers
        self._accesses = accesses
        self._seconds = seconds

    async def __call__(self, state: AgentState, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        caller = await self._callers.of(runtime)
        accesses = {name: self._accesses.of(caller, name, state) for name in self._accesses.requirements}
        resolved: dict[str, Credential | UnavailableCredential | AgentError] = {}
        wanted: list[str] = []
        for name in self._needed(state, accesses):
            if (known := accesses[name].known()) is not None:
                resolved[name] = known
            else:
                wanted.append(name)
        if wanted:
            outcomes = await asyncio.gather(*(self._obtain(name, accesses[name]) for name in wanted))
            resolved.update(zip(wanted, outcomes, strict=True))
        for name, outcome in resolved.items():
            if isinstance(outcome, AuditError) or (name == MODEL and isinstance(outcome, AgentError)):
                raise outcome
        return {
            "credentials": {
                name: UnavailableCredential(outcome.code, Secret(outcome.detail))
                if isinstance(outcome, AgentError)
                else outcome
                for name, outcome in resolved.items()
            }
        }

    def _needed(self, state: AgentState, accesses: dict[str, ServiceCredential]) -> list[str]:
        """The names of what the next step needs, among those that need a credential at all."""
        if called := called_services(state):
            return [name for name in accesses if name in called]
        to_be_asked = (
            service.name
            for service in self._services
            if service.name in accesses and service.cached_tools(accesses[service.name]) is None
        )
        return [*([MODEL] if MODEL in accesses else []), *to_be_asked]

    async def _obtain(self, name: str, access: ServiceCredential) -> Credential | AgentError:
        try:
            async with asyncio.timeout(self._seconds):
                return await access.credential()
        except AgentError as error:
            return error
        except TimeoutError:
            detail = f'the credential of "{name}" was not issued within {self._seconds:g} s'
            return error_of_node(UnreachableError(IdentityCode.IDAAS_UNREACHABLE, detail), name)
