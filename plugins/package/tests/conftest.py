"""What is shipped, with the files of an operator, as `idaas-agent package` collects them."""

import json
from pathlib import Path

import pytest

from agent.settings.settings import read_settings
from plugins.package.carried import Configuration, package_tree
from plugins.package.tests.own_files import ANSWER, OWN_CALENDAR, OWN_GRAPH, OWN_TOOL
from sandbox.agent_files.agent_environment import sdk_configuration
from sandbox.authn_method import AuthnMethod
from sandbox.server.server import RunningSandbox
from tests.clock import SettableClock
from tests.deploy.shipped import ROOT, install


@pytest.fixture(scope="session")
def operator(
    tmp_path_factory: pytest.TempPathFactory, running_sandbox: tuple[RunningSandbox, SettableClock]
) -> Configuration:
    """The sandbox's variables an own tool and an own graph, and what an operator decides of the rest."""
    running, _ = running_sandbox
    folder = tmp_path_factory.mktemp("operator")
    (folder / "payday.py").write_text(OWN_TOOL)
    (folder / "calendar_tools.py").write_text(OWN_CALENDAR)
    (folder / "my_graph.py").write_text(OWN_GRAPH)
    (folder / "services.toml").write_text(
        '[services.payroll]\ntype = "http"\npython = "payday.py:service"\n'
        f'url = "{running.environment["ENTERPRISE_SERVICE_URL"]}"\n'
        f'access_token = "{running.environment["ENTERPRISE_SERVICE_SCOPE"]}"\n'
        f'settings = {{ answer = "{ANSWER}" }}\n'
        '[services.calendar]\ntype = "http"\npython = "calendar_tools.py:service"\n'
        f'url = "{running.cloud.addresses.calendar_url}"\n'
        'oauth_token = { provider = "calendar" }\n'
    )
    (folder / "own.lock").write_text("# no packages\n")
    (folder / "client-config.json").write_text(
        json.dumps(sdk_configuration(running.cloud, AuthnMethod.PLUGIN))
    )
    given = running.environment | {
        "ACCEPTED_TOOLS_FILE": str(folder / "nothing-accepted.json"),
        "ACCESS_IDENTITY": "Human",
        "CLOUD_IDAAS_CONFIG_PATH": str(folder / "client-config.json"),
        "GRAPH": "my_graph.py:build",
        "SERVICES_FILE": str(folder / "services.toml"),
    }
    files = ("AUDIT_LOG_FILE", "CONVERSATIONS_URL", "REVOCATIONS_FILE")
    chosen = dict.fromkeys((*files, "ENV_PRIVATE_KEY", "IDAAS_CLIENT_SECRET"), "") | {
        "IDAAS_EVENTS_KEY_FILE": given["IDAAS_EVENTS_KEY_FILE"]
    }
    lock, own_lock = ROOT / "requirements.lock", folder / "own.lock"
    return Configuration(read_settings(given), given, lock, own_lock, chosen, tuple(given))


@pytest.fixture(scope="session")
def installed_with_own(
    tmp_path_factory: pytest.TempPathFactory, dependencies: Path, operator: Configuration
) -> Path:
    """The installed tree, with the files that `package tree` collects."""
    folder = tmp_path_factory.mktemp("installed")
    package_tree(operator, folder / "own")
    (folder / "own" / "services.toml").chmod(0o600)
    return install(folder, dependencies)
