"""An application's `Identity` on the sandbox, with the variables of identity alone."""

from collections.abc import AsyncIterator

import pytest

from idaas_agent import Identity
from tests.suite import Sandbox

REQUIRED = ("CLOUD_IDAAS_CONFIG_PATH", "AGENT_AUDIENCE", "AGENT_SCOPE")
OF_THE_SANDBOX = ("IDAAS_CLIENT_SECRET", "JWKS_ENDPOINT", "SSL_CERT_FILE")


@pytest.fixture
def variables(sandbox: Sandbox) -> dict[str, str]:
    """What the library needs on the sandbox, and nothing of the model or of a service."""
    return {name: sandbox.environment[name] for name in (*REQUIRED, *OF_THE_SANDBOX)}


@pytest.fixture
async def identity(sandbox: Sandbox, variables: dict[str, str]) -> AsyncIterator[Identity]:
    async with Identity.from_env(variables, clock=sandbox.clock) as identity:
        yield identity
