"""Which requests the IDaaS client retries, with which delays, and when it stops."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.idaas.client import IDaaSClient
from identity.idaas.configuration import SdkConfiguration
from identity.secrets.secret import Secret
from identity.transport.retry import RetryPolicy, retry_after
from sandbox.faults.faults import Fault
from tests.identity.idaas.sandbox_client import LEAVE, LLM_KEY, PAM, Waits, refusal


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, times=2),
        Fault(status=500, times=2),
        Fault(status=503, retry_after=3, times=2),
        Fault(drop=True, times=2),
    ],
)
async def test_temporary_failures_are_retried(
    sandbox: Any, client: IDaaSClient, waits: Waits, fault: Fault
) -> None:
    sandbox.cloud.faults.set("idaas.token", fault)
    assert await client.machine_token(PAM)
    assert waits.seconds == ([3, 3] if fault.retry_after else [0.2, 0.4])


async def test_attempts_are_bounded(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(status=500))
    error = await refusal(client.machine_token(PAM), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
    assert "server_error" in error.detail
    assert len(waits.seconds) == 2
    assert sandbox.cloud.counters.snapshot()["idaas.token:fault"] == 3


async def test_long_retry_after_ends_the_attempts(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    sandbox.cloud.faults.set("developer_api", Fault(status=429, retry_after=10))
    error = await refusal(client.obtain(Secret("token"), LLM_KEY), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
    assert waits.seconds == []


@pytest.mark.parametrize("value", ["\xa03", "3\x85", "\x1f3"])
def test_only_space_and_tab_are_trimmed(value: str) -> None:
    assert retry_after({"retry-after": value}) == 0
    assert retry_after({"retry-after": " 3\t"}) == 3


async def test_retry_after_may_be_a_date(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    for past, waited in (
        ("Wed, 21 Oct 2015 07:28:00 GMT", [0.2, 0.4]),
        ("Wed, 21 Oct 2099 07:28:00 GMT", []),
    ):
        waits.seconds.clear()
        sandbox.cloud.faults.set("idaas.token", Fault(status=503, retry_after=past))
        await refusal(client.machine_token(PAM), UnreachableError)
        assert waits.seconds == waited


async def test_delay_beyond_the_deadline_ends_the_attempts(
    sandbox: Any, configuration: SdkConfiguration, waits: Waits
) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(status=503, retry_after=4))
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(deadline=3.0, sleep=waits))
        await refusal(client.machine_token(PAM), UnreachableError)
    assert waits.seconds == []


async def test_refusals_are_not_retried(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    await refusal(client.machine_token(LEAVE))
    assert waits.seconds == []
    assert sandbox.cloud.counters.snapshot()["idaas:token.client_credentials"] == 1


async def test_hanging_request_ends_at_the_deadline(
    sandbox: Any, configuration: SdkConfiguration, waits: Waits
) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(hang=True))
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(deadline=0.2, sleep=waits))
        async with asyncio.timeout(60):
            error = await refusal(client.machine_token(PAM), UnreachableError)
    assert "deadline" in error.detail


async def test_configured_timeouts_apply(sandbox: Any, configuration: SdkConfiguration) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(hang=True))
    hasty = replace(configuration, read_timeout=0.1)
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False, timeout=60) as http:
        client = IDaaSClient(hasty, http, retries=RetryPolicy(attempts=1))
        async with asyncio.timeout(60):
            error = await refusal(client.machine_token(PAM), UnreachableError)
    assert "read timeout" in error.detail
