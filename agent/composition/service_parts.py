"""The services and what their calls need: the part of an agent that knows no caller, no model and no run."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final

from agent.composition.extensions import services
from agent.operations.metrics.agent_measures import AgentMeasures
from agent.settings.settings import Settings
from graph.credentials.service_credentials import ServiceCredential, ServiceCredentials, requirements
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.parts import IdentityParts
from identity.secrets.secret import Secret
from tools.declared_issuers import add_issuers
from tools.service import Service, ToolSchema


class ServiceParts:
    """The services that the settings name, and the credentials of their calls. For one event loop.

    Reads no setting of callers, of the model or of conversations.
    """

    def __init__(
        self,
        settings: Settings,
        tls: ssl.SSLContext,
        *,
        clock: Callable[[], float] = time.time,
        measures: AgentMeasures | None = None,
        llm_api_key: ApiKeyRequirement | Secret | None = None,
        accepts_tools: bool = False,
        has_services: bool = True,
    ) -> None:
        """Makes the parts; opens no connection. `tls` is what they trust. With `accepts_tools`, what MCP
        servers list first is accepted and kept. Without `has_services`, there are none: the graph of an
        application has its own.

        Raises `ConfigurationError` with every service that cannot be loaded.
        """
        measures = measures or AgentMeasures()
        self.settings: Final = settings
        self.clock: Final = clock
        self.identity: Final = IdentityParts(settings, tls, clock=clock, measures=measures)
        made = services(settings, tls, accepts_tools=accepts_tools) if has_services else ()
        self.services: Final[Sequence[Service]] = made
        faults = add_issuers(self.identity, made, settings.issuers, settings.own_code, named="SERVICES_FILE")
        if faults:
            raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
        self.requirements: Final = requirements(self.services, settings.access_identity, llm_api_key)
        """The requirements of the services, and of the model if its key is given, by the names of nodes."""
        self.http: Final = self.identity.http
        self.audit: Final = self.identity.audit
        self.broker: Final = self.identity.broker

    def access(
        self, name: str, caller: VerifiedAccessToken | None, *, renews: bool = True
    ) -> ServiceCredential:
        """The credential of one service, outside of a run. `caller` may be `None` under Machine identity."""
        credentials = ServiceCredentials(self.requirements, self.broker, self.clock, renews=renews)
        return credentials.of(caller, name)

    def listed_tools(
        self, service: Service, caller: VerifiedAccessToken | None = None
    ) -> Sequence[ToolSchema] | None:
        """The tools that `service` has listed for `caller`, if they are known without a request."""
        return service.cached_tools(self.access(service.name, caller, renews=False))

    async def aclose(self) -> None:
        """Closes all connections, and ends the audit log."""
        await asyncio.gather(*(service.aclose() for service in self.services))
        await self.identity.aclose()
