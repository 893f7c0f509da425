"""A client of the sandbox's IDaaS whose waits are over at once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from identity.credentials.credential import ApiKeyRequirement
from identity.error_table import ErrorCode
from identity.errors import AgentError, CredentialError
from identity.idaas.client import IDaaSClient
from identity.idaas.configuration import SdkConfiguration, read_sdk_configuration
from identity.transport.retry import RetryPolicy

PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
LEAVE = "https://leave.sandbox.example|leave.read"
LLM_KEY = ApiKeyRequirement("llm_api_key", ErrorCode.LLM_API_KEY_UNAVAILABLE)


@dataclass
class Waits:
    """A sleep that is over at once, and remembers for how long it was."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def retries(waits: Waits) -> RetryPolicy:
    return RetryPolicy(sleep=waits, random=lambda: 1.0)


@pytest.fixture
def configuration(sandbox: Any) -> SdkConfiguration:
    path = Path(sandbox.environment["CLOUD_IDAAS_CONFIG_PATH"])
    return read_sdk_configuration(path, sandbox.environment, clock=sandbox.clock)


@pytest.fixture
async def client(
    sandbox: Any, configuration: SdkConfiguration, retries: RetryPolicy
) -> AsyncIterator[IDaaSClient]:
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        yield IDaaSClient(configuration, http, clock=sandbox.clock, retries=retries)


async def refusal(call: Any, kind: type[AgentError] = CredentialError) -> AgentError:
    with pytest.raises(kind) as caught:
        await call
    return caught.value
