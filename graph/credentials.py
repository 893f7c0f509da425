"""The node `credentials`: everything that the model and the services declare is obtained, side by side."""

import asyncio
from typing import Any

from langgraph.runtime import Runtime

from graph.access import Accesses, RunAccess
from graph.caller import Callers
from graph.context import AgentContext
from graph.state import AgentState, Unavailable
from identity.credential import Credential
from identity.error_table import ErrorCode
from identity.errors import AgentError, AuditError, UnreachableError

MODEL = "model"
"""The model's node, and the name of its key among the credentials."""


class ResolveCredentials:
    """Without the model's key there is no answer: that failure ends the run.

    A service's failure is noted, and its calls are answered with it: a question that does not need the
    service is still answered.
    """

    def __init__(self, callers: Callers, accesses: Accesses, seconds: float) -> None:
        self._callers = callers
        self._accesses = accesses
        self._seconds = seconds

    async def __call__(self, state: AgentState, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        caller = await self._callers.of(runtime)
        accesses = {name: self._accesses.of(caller, name, state) for name in self._accesses.requirements}
        resolved: dict[str, Credential | AgentError] = {}
        wanted: list[str] = []
        for name, access in accesses.items():
            if (held := access.at_hand()) is not None:
                resolved[name] = held
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
                name: Unavailable(outcome.code, outcome.detail)
                if isinstance(outcome, AgentError)
                else outcome
                for name, outcome in resolved.items()
            }
        }

    async def _obtain(self, name: str, access: RunAccess) -> Credential | AgentError:
        try:
            async with asyncio.timeout(self._seconds):
                return await access.credential()
        except AgentError as error:
            return error
        except TimeoutError:
            return UnreachableError(
                ErrorCode.IDAAS_UNREACHABLE,
                f'the credential of "{name}" was not issued within {self._seconds:g} s',
            )
