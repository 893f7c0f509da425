"""The package for AgentRun, run as the platform runs it: without a secret, and frozen between requests."""

import json
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from agent.settings.settings import read_settings
from identity.idaas.client_authentication.role_credential import ROLE_HEADERS
from plugins.package.agentrun import AgentRunOptions, package_agentrun
from plugins.package.carried import Configuration
from plugins.package.parts import write_zip
from plugins.package.tests.agentrun_gateway import Gateway
from plugins.package.tests.agentrun_instance import Instance
from sandbox.agent_files.agent_environment import sdk_configuration
from sandbox.authn_method import AuthnMethod
from tests.loopback import free_port
from tests.suite import Sandbox

ROOT = Path(__file__).parents[3]
QUESTIONS = {
    "What is the weather in Hangzhou right now?": "Hangzhou",
    "Call my enterprise service": "enterprise",
}
HOUR = 3600.0
CLOCK = """import os, time
_real, _file = time.time, os.environ["CLOCK_FILE"]
def _moved():
    with open(_file) as file:
        return _real() + float(file.read() or 0)
time.time = _moved
"""
"""What the wall clock does while an instance is frozen: the program goes on, and it is later."""


@dataclass
class Deployed:
    """A package that runs behind the gateway."""

    instance: Instance
    url: str
    sandbox: Sandbox
    _clock: Path
    hours: float = 0

    def pass_hours(self, hours: float) -> None:
        """Lets time pass, for the agent and for the cloud."""
        self.hours += hours
        self._clock.write_text(str(self.hours * HOUR))
        self.sandbox.clock.advance(hours * HOUR)

    async def answer(self, question: str, token: str, **headers: str) -> str:
        """The response to a question, through the gateway."""
        body = {"model": "m", "messages": [{"role": "user", "content": question}]}
        async with httpx.AsyncClient(timeout=60) as http:
            response = await http.post(
                f"{self.url}/openai/v1/chat/completions",
                json=body,
                headers={"Authorization": f"Bearer {token}", **headers},
            )
        assert response.status_code == 200, f"{response.text}\n{self.instance.log}"
        text: str = response.json()["choices"][0]["message"]["content"]
        return text


def packaged(sandbox: Sandbox, folder: Path, access_identity: str) -> tuple[Path, dict[str, str]]:
    """The package, and the platform's variables. The dependencies are those of the test's interpreter."""
    file = folder / "client-config.json"
    file.write_text(json.dumps(sdk_configuration(sandbox.cloud, AuthnMethod.PLUGIN)))
    role = sandbox.cloud.execution_role.issue(36 * HOUR)
    platform = {
        "FC_REGION": "cn-hangzhou",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": role.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": role.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": role.security_token,
    }
    own = {"CLOUD_IDAAS_CONFIG_PATH": str(file), "ACCESS_IDENTITY": access_identity}
    variables = sandbox.environment | own | platform
    files = ("AUDIT_LOG_FILE", "IDAAS_EVENTS_KEY_FILE", "REVOCATIONS_FILE")
    left = dict.fromkeys((*files, "ENV_PRIVATE_KEY", "IDAAS_CLIENT_SECRET"), "")
    configuration = Configuration(
        read_settings(variables),
        variables,
        ROOT / "requirements.lock",
        chosen=left | {"CONVERSATIONS_URL": "none"},
    )
    package = folder / "package"
    package_agentrun(configuration, AgentRunOptions(), package, source=ROOT, install=lambda _: None)
    with zipfile.ZipFile(package / "code.zip") as archive:
        files: dict[str, Path | bytes] = {name: archive.read(name) for name in archive.namelist()}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    write_zip(package / "code.zip", files | {"python/.python-version": version.encode()})
    return package, platform


@asynccontextmanager
async def deployed(
    sandbox: Sandbox,
    folder: Path,
    serving: Callable[[Any], Any],
    dependencies: Path,
    access_identity: str,
    platform_headers: Callable[[], Mapping[str, str]] = dict,
    **variables: str,
) -> AsyncIterator[Deployed]:
    package, platform = packaged(sandbox, folder, access_identity)
    site, clock = folder / "site", folder / "clock"
    site.mkdir()
    (site / "sitecustomize.py").write_text(CLOCK)
    clock.write_text("0")
    port = free_port()
    # The interpreter outside of the virtual environment: it does not know the repository.
    platform |= {"PYTHONPATH": f"{site}:{dependencies}", "CLOCK_FILE": str(clock), **variables}
    interpreter = sys._base_executable
    instance = Instance(package, folder / "code", platform=platform, interpreter=interpreter, port=port)
    gateway = Gateway(
        instance, platform_headers=platform_headers, jwks=sandbox.cloud.jwks, clock=sandbox.clock
    )
    try:
        await instance.start()
        async with serving(gateway.application()) as origin:
            prefix = f"/agent-runtimes/{instance.name}/endpoints/production/invocations"
            yield Deployed(instance, origin + prefix, sandbox, clock)
    finally:
        await gateway.aclose()
        await instance.stop()


async def test_package_without_a_secret_serves_requests_after_freezes_that_outlast_every_credential(
    sandbox: Sandbox, tmp_path: Path, serving: Callable[[Any], Any], dependencies: Path
) -> None:
    def platform_headers() -> dict[str, str]:
        role = sandbox.cloud.execution_role.issue(HOUR)
        values = (role.access_key_id, role.access_key_secret, role.security_token)
        return dict(zip(ROLE_HEADERS, values, strict=True))

    forged = dict.fromkeys(ROLE_HEADERS, "STS.x")
    allowed = {"FC_CREDENTIALS_FROM_HEADERS": "true"}
    async with deployed(
        sandbox, tmp_path, serving, dependencies, "Human", platform_headers, **allowed
    ) as agent:
        for hours in (0, 1, 40, 80):  # the variables' credential ends after 36 hours
            agent.pass_hours(hours - agent.hours)
            token = sandbox.access_token("alice")
            for question, expected in QUESTIONS.items():
                assert expected in await agent.answer(question, token, **forged)
            assert agent.instance.frozen
        counted = sandbox.cloud.counters.snapshot()
        assert [name for name in counted if "expired" in name] == []
        await other_callers_are_refused(agent)


async def other_callers_are_refused(agent: Deployed) -> None:
    """The gateway checks the signature alone; the agent refuses what is for another."""
    url = f"{agent.url}/openai/v1/chat/completions"
    async with httpx.AsyncClient() as http:
        refused = await http.post(url, json={})
        assert (refused.status_code, refused.text[:18]) == (401, "inbound credential")
        other = agent.sandbox.access_token(audience="https://another.example")
        passed = await http.post(url, json={}, headers={"Authorization": f"Bearer {other}"})
    assert (passed.status_code, passed.json()["error"]["code"]) == (401, "access_token_invalid")
    assert passed.headers["x-agentrun-session-id"]
