"""Faults of services that SERVICES_FILE declares, and what `doctor` must report."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.agent.commands.doctor.doctor_cases import closed, nothing
from tests.suite import Sandbox

AMAP = "{model_studio}/api/v1/mcps/amap-maps/mcp"


def rates(url: str = AMAP, api_key: str = "rates_key") -> str:
    return f'[services.rates]\ntype = "mcp"\nurl = "{url}"\napi_key = "{api_key}"\n'


def payroll(url: str, *members: str, declared: bool = True) -> str:
    """With `declared`, its tool is declared as reading."""
    lines = ["[services.payroll]", 'type = "http"', f'url = "{url}"', 'python = "payroll.py:service"']
    if declared:
        lines.append('policies = { payslip = { effect = "read" } }')
    return "\n".join([*lines, *members]) + "\n"


def unreadable_key(sandbox: Sandbox) -> None:
    """IDaaS has the key, and the agent may not read it."""
    sandbox.cloud.vault.add("rates_key", "sk-canary-rates", set(), now=0.0)


@dataclass(frozen=True)
class DeclaredCase:
    """What is declared, and what doctor must report: the step, the code, the reason, and all of `words`."""

    step: str
    code: str
    reason: str
    file: str
    words: tuple[str, ...]
    change: Callable[[Sandbox], None] = nothing

    def __str__(self) -> str:
        return f"{self.step}: {self.reason}".replace(" ", "_")


RATES_KEY, PAYROLL_TOKEN = "credential of rates", "credential of payroll"
API_KEY, TOKEN = "services.rates.api_key in SERVICES_FILE", "services.payroll.access_token in SERVICES_FILE"
RATES_URL, PAYROLL_URL = "services.rates.url in SERVICES_FILE", "services.payroll.url in SERVICES_FILE"

ALSO = 'also = [{ api_key = "no_such_key", placement = { header = "X-API-Key" } }]'
DECLARED_CASES = [
    DeclaredCase(RATES_KEY, "service_key_unavailable", "unknown_identifier", rates(),
                 (API_KEY, '"rates_key"')),
    DeclaredCase(RATES_KEY, "service_key_unavailable", "not_granted", rates(), (API_KEY, '"rates_key"'),
                 unreadable_key),
    DeclaredCase(PAYROLL_TOKEN, "machine_token_failed", "not_granted",
                 payroll(closed("/"), 'access_token = "https://no.example|x"'),
                 (TOKEN, '"https://no.example|x"')),
    DeclaredCase(PAYROLL_TOKEN, "service_key_unavailable", "unknown_identifier",
                 payroll(closed("/"), 'api_key = "amap_api_key"', ALSO),
                 ("services.payroll.api_key or also in SERVICES_FILE", '"no_such_key"')),
    DeclaredCase("service rates", "service_failed", "credential_refused", rates(api_key="llm_api_key"),
                 (API_KEY, 'the service "rates"', 'the API key "llm_api_key"')),
    DeclaredCase("service rates", "service_failed", "no_such_address",
                 rates("{model_studio}/api/v1/mcps/none/mcp", "amap_api_key"), (RATES_URL,)),
    DeclaredCase("service rates", "service_failed", "refused", rates(closed("/mcp"), "amap_api_key"),
                 (RATES_URL,)),
    DeclaredCase("service payroll", "service_failed", "credential_refused", payroll("{server}/401"),
                 ('the service "payroll"', "a request without a credential")),
    DeclaredCase("service payroll", "service_failed", "redirected", payroll("{server}/307"), (PAYROLL_URL,)),
    DeclaredCase("service payroll", "service_failed", "limited", payroll("{server}/429"), ('"payroll"',)),
    DeclaredCase("service payroll", "service_failed", "service_down", payroll("{server}/500"),
                 ('"payroll"',)),
    DeclaredCase("service payroll", "service_failed", "tool_raised",
                 payroll("{server}/200", 'settings = { fault = "canary" }'),
                 ('the service "payroll"', "LookupError", "payroll.py:6")),
    DeclaredCase("names of tools", "tools_not_offered", "same_tool_name", rates(api_key="amap_api_key"),
                 ('"maps_weather" of "amap" and "rates" is not offered', "prefix")),
]  # fmt: skip
