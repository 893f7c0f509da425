"""A client of the sandbox that authenticates by any method, from files that a test may change."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.settings.settings import Settings, read_settings
from identity.idaas.client import IDaaSClient
from identity.transport.retry import RetryPolicy
from sandbox.authn_method import AuthnMethod, RoleCredentials


async def _at_once(_: float) -> None:
    """A wait that is over."""


class AgentOfSandbox:
    """Settings and clients by method. `members` of the configuration file and variables override."""

    def __init__(self, sandbox: Any, folder: Path, http: httpx.AsyncClient) -> None:
        self.sandbox, self.folder, self.http = sandbox, folder, http

    def settings(
        self,
        method: AuthnMethod,
        *,
        source: RoleCredentials = RoleCredentials.ENVIRONMENT,
        authn: dict[str, Any] | None = None,
        root: dict[str, Any] | None = None,
        **variables: str | None,
    ) -> Settings:
        given = self.sandbox.running.environment_by(method, self.folder, source)
        path = Path(given["CLOUD_IDAAS_CONFIG_PATH"])
        content = json.loads(path.read_text()) | (root or {})
        content["authnConfiguration"] |= authn or {}
        path.write_text(json.dumps(content))
        given |= variables
        return read_settings({name: value for name, value in given.items() if value is not None})

    def client(self, method: AuthnMethod, **options: Any) -> IDaaSClient:
        idaas = self.settings(method, **options).idaas
        return IDaaSClient(idaas, self.http, clock=self.sandbox.clock, retries=RetryPolicy(sleep=_at_once))


@pytest.fixture
async def agent_of(sandbox: Any, tmp_path: Path) -> AsyncIterator[AgentOfSandbox]:
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        yield AgentOfSandbox(sandbox, tmp_path, http)


@pytest.fixture
def count(sandbox: Any) -> Callable[[str], int]:
    return lambda name: sandbox.cloud.counters.snapshot().get(name, 0)
