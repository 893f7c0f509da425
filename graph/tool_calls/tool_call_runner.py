"""One call of a tool, within its time, ended in a result for the model."""

import asyncio
import logging

from langchain_core.messages import ToolCall

from graph.credentials.service_credentials import ServiceCredential
from graph.tool_calls.requested_calls import failure_text
from identity.credentials.credential import Credential
from identity.errors import AgentError, AuditError, ServiceError
from identity.observation.failure import log_failure, place_of
from tools.service import Service, ToolResult

logger = logging.getLogger(__name__)


class ToolCallRunner:
    """Runs calls of the tools of one service."""

    def __init__(self, service: Service, seconds: float) -> None:
        """`seconds` bounds the time of each call."""
        self._service = service
        self._seconds = seconds

    async def run(
        self, call: ToolCall, credential: ServiceCredential
    ) -> tuple[ToolResult, AgentError | None]:
        """What the tool returned; or the person's text of a failure, and the failure. Raises `AuditError`."""
        service = self._service
        of_call = _CallCredential(credential)
        error: AgentError
        try:
            async with asyncio.timeout(self._seconds):
                return await service.call(call["name"], call["args"], of_call), None
        except AuditError:
            raise
        except AgentError as failure:
            error = failure
        except TimeoutError:
            error = ServiceError(service.error_code, f"no response within {self._seconds:g} s")
        except Exception as fault:  # noqa: BLE001 - a fault of a tool must not end the run
            # Its text is not logged, because it may contain anything.
            logger.error('tool "%s" raised %s at %s', call["name"], type(fault).__name__, place_of(fault))  # noqa: TRY400 - see above
            error = ServiceError(service.error_code, f"the tool raised {type(fault).__name__}")
        log_failure(error.of(service.name, service.settings), tool=call["name"])
        called = of_call.obtained or service.credential is None
        return ToolResult(failure_text(error, service.name), ok=False, called=called), error


class _CallCredential:
    """The service's credential for one call (`tools.service.Access`); notes whether the call obtained it."""

    def __init__(self, credential: ServiceCredential) -> None:
        self._credential = credential
        self.obtained = False
        """Without its credential, a call makes no request."""

    async def credential(self) -> Credential:
        credential = await self._credential.credential()
        self.obtained = True
        return credential

    def cached(self) -> Credential | None:
        return self._credential.cached()

    async def renew(self, refused: Credential) -> Credential:
        return await self._credential.renew(refused)
