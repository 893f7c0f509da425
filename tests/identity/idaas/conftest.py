"""An IDaaS client on the sandbox that waits no time between attempts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from identity.credentials.broker import CredentialBroker
from identity.idaas.client import IDaaSClient
from identity.idaas.configuration import SdkConfiguration, read_sdk_configuration
from identity.transport.retry import RetryPolicy
from tests.identity.idaas.sandbox_client import Waits


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


@pytest.fixture
async def broker(sandbox: Any, client: IDaaSClient) -> AsyncIterator[CredentialBroker]:
    broker = CredentialBroker(client, clock=sandbox.clock)
    yield broker
    await broker.aclose()
