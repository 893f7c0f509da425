"""The policies that installed packages add, such as rules in Cedar, for cases: by variables of their file."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx

from agent.composition.installed_policies import InstalledPolicy, installed_policies
from agent.conversations.storage import ConversationStorage
from agent.settings.settings import Settings, read_command_settings
from graph.credentials.service_credentials import ServiceRequirement
from idaas_agent.testing import PoliciesUnderTest
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.broker import CredentialBroker
from tools.service import Access, Service, ToolSchema


@dataclass(frozen=True, slots=True)
class EvaluatedParts:
    """The `PolicyParts` of a case. `http` sends nothing."""

    settings: Settings
    tested: PoliciesUnderTest
    http: httpx.AsyncClient
    clock: Callable[[], float] = time.time

    @property
    def services(self) -> Sequence[Service]:
        """The services of the case."""
        return self.tested.services

    @property
    def requirements(self) -> Mapping[str, ServiceRequirement]:
        """Their requirements."""
        return self.tested.requirements

    @property
    def broker(self) -> CredentialBroker:
        """That of the case."""
        return self.tested.broker

    def access(self, name: str, caller: VerifiedAccessToken | None) -> Access:
        """See `PolicyParts`."""
        return self.tested.access(name, caller)

    def listed_tools(self, service: Service) -> Sequence[ToolSchema] | None:
        """See `PolicyParts`."""
        return service.cached_tools(self.access(service.name, None))


class EvaluatedPolicies:
    """The policies of each case, which count its calls and nobody else's."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        """A value that is the name of a file in `folder` is that file."""
        self._variables: Final = {
            name: str((folder / value).resolve()) if value and (folder / value).is_file() else value
            for name, value in variables.items()
        }

    @asynccontextmanager
    async def of_case(self) -> "AsyncIterator[Callable[[PoliciesUnderTest], Sequence[InstalledPolicy]]]":
        """Makes the policies. Raises `ConfigurationError` for faults of the variables, and of the rules."""
        with TemporaryDirectory(prefix="idaas-agent-eval-") as folder:
            counted = {"CONVERSATIONS_URL": f"sqlite:///{folder}/counts.db"}
            settings = read_command_settings(self._variables | counted)
            storage = ConversationStorage.of(settings, time.time)
            async with httpx.AsyncClient(transport=httpx.MockTransport(_nowhere)) as http:

                def make(tested: PoliciesUnderTest) -> Sequence[InstalledPolicy]:
                    return installed_policies(EvaluatedParts(settings, tested, http), storage)

                try:
                    yield make
                finally:
                    if storage is not None:
                        await storage.aclose()


def _nowhere(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("cases send no request", request=request)
