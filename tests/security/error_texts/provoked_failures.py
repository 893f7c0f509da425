"""Failures that a test provokes in a running agent, each with its code and the service that it is about."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.faults.faults import Fault
from sandbox.state.directory import AGENT
from tests.running_agent import ENTERPRISE, GREETING, LEAVE, WEATHER
from tests.suite import Sandbox


async def unchanged(sandbox: Sandbox) -> None:
    """Only the variables or the token differ."""


def fault(service: str, **members: Any) -> Callable[[Sandbox], Any]:
    async def change(sandbox: Sandbox) -> None:
        sandbox.cloud.faults.set(service, Fault(**members))

    return change


async def exchange_not_allowed(sandbox: Sandbox) -> None:
    applications = sandbox.cloud.directory.applications
    left = applications[AGENT].grant_types - {"token_exchange"}
    applications[AGENT] = replace(applications[AGENT], grant_types=left)


async def user_disabled(sandbox: Sandbox) -> None:
    sandbox.cloud.directory.disabled.add("user_alice01")


async def exchanged_too_often(sandbox: Sandbox) -> None:
    sandbox.cloud.settings.exchange_depth = 0


async def trigger_with_an_old_jwks(sandbox: Sandbox) -> None:
    sandbox.cloud.keys.rotate(overlap=False)


@dataclass(frozen=True)
class Failure:
    """A provoked failure, its code, and the service that it is about."""

    code: str
    question: str = GREETING
    identity: str = "Machine"
    user: str = "alice"
    service: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    change: Callable[[Sandbox], Any] = unchanged
    token: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code} {self.service or ''} {self.user}".strip().replace(" ", "-")


UNKNOWN = "canary_identifier"
FAILURES = [
    Failure("access_token_invalid", token={"lifetime": -60}),
    Failure("access_token_invalid", token={"audience": "https://enterprise.sandbox.example"}),
    Failure("insufficient_scope", token={"permissions": ("leave.read",)}),
    Failure("jwks_unavailable", change=fault("idaas.jwks", status=500)),
    Failure("client_authentication_failed", variables={"IDAAS_CLIENT_SECRET": "x"}, service="model"),
    Failure("llm_api_key_unavailable", variables={"LLM_API_KEY_IDENTIFIER": UNKNOWN}, service="model"),
    Failure("token_exchange_failed", identity="Human", change=user_disabled, service="model"),
    Failure("user_token_refused", identity="Human", change=exchanged_too_often, service="model"),
    Failure("agent_exchange_refused", identity="Human", change=exchange_not_allowed, service="model"),
    Failure("idaas_unreachable", identity="Human", change=fault("idaas.token", status=500), service="model"),
    Failure("idaas_unreachable", identity="Human", change=fault("developer_api", drop=True),
            service="model"),
    Failure("model_call_failed", change=fault("model_studio", status=429), service="model"),
    Failure("model_call_failed", change=fault("model_studio.stream", drop=True), service="model"),
    Failure("run_timed_out", variables={"RUN_TIMEOUT_SECONDS": "0.25"},
            change=fault("model_studio", hang=True)),
    Failure("rate_limited", variables={"MAX_REQUESTS_PER_MINUTE": "1"}),
    Failure("audit_unavailable", ENTERPRISE,
            variables={"AUDIT_LOG_FILE": "/dev/full", "AUDIT_REQUIRED": "true"}),
    Failure("token_exchange_failed", LEAVE, user="bob", service="leave"),
    Failure("external_api_key_unavailable", WEATHER, service="amap",
            variables={"EXTERNAL_SERVER_API_KEY_IDENTIFIER": UNKNOWN}),
    Failure("machine_token_failed", ENTERPRISE, service="enterprise",
            variables={"ENTERPRISE_SERVICE_SCOPE": "https://leave.sandbox.example|leave.read"}),
    Failure("enterprise_service_failed", ENTERPRISE, service="enterprise",
            change=fault("function_compute", status=500)),
    Failure("enterprise_jwt_rejected", ENTERPRISE, service="enterprise", change=trigger_with_an_old_jwks),
]  # fmt: skip
