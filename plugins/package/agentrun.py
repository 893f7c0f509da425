"""The package for AgentRun: the zip, `s.yaml`, the execution role's policy, and the page's `config.js`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from agent.one_package import deployed_files, moved_imports
from agent.settings.settings import Settings
from plugins.package import start
from plugins.package.carried import AGENTRUN, PORT, Configuration, carried
from plugins.package.parts import InstallDependencies, document_of, write_package

_WITHOUT_SECRET: Final = frozenset({"PLUGIN", "PKCS7", "OIDC"})
"""Client authentication methods that need no secret in the deployment."""


@dataclass(frozen=True, slots=True)
class AgentRunOptions:
    """The name and place of the deployed agent."""

    name: str = "idaas-agent"
    region: str = "cn-hangzhou"
    role: str | None = None
    python: str = "3.12"
    account: str | None = None
    """The id of the account, for the address of the agent in the page's `config.js`."""


def package_agentrun(
    configuration: Configuration,
    options: AgentRunOptions,
    folder: Path,
    *,
    source: Path,
    install: InstallDependencies,
) -> None:
    """Writes `code.zip`, `s.yaml`, `role-policy.json` and `config.js` into `folder`.

    `source` is the repository, or the installed package. None of the files contains a secret. Raises
    `PackagingError` with every fault before anything is installed.
    """
    settings = configuration.settings
    client, faults = _client_configuration(settings)
    deployment = carried(configuration, AGENTRUN)
    document = runtime_document(options, deployment.variables)
    files: dict[str, Path | bytes] = {
        "python/.python-version": f"{options.python}\n".encode(),
        "main.py": moved_imports(Path(start.__file__).read_bytes(), start.__file__),
        "client-config.json": client,
        **deployed_files(source),
    }
    files |= {f"own/{name}": content for name, content in deployment.files.items()}
    write_package(folder, document, "agentrun", files, install, faults=[*faults, *deployment.faults])
    (folder / "role-policy.json").write_text(json.dumps(role_policy(settings), indent=2) + "\n", "utf-8")
    (folder / "config.js").write_text(page_configuration(settings, options), "utf-8")


def runtime_document(options: AgentRunOptions, variables: Mapping[str, str]) -> dict[str, Any]:
    """`s.yaml` for the component `agentrun`."""
    language = f"python{options.python}"
    values = {**asdict(options), "language": language, "port": PORT, "variables": dict(variables)}
    document = document_of("agentrun", values)
    if options.role:
        document["resources"]["agent"]["props"]["agent"]["role"] = options.role
    return document


def role_policy(settings: Settings) -> dict[str, Any]:
    """The policy of the execution role: it allows only access tokens for this agent's application."""
    idaas = settings.idaas
    return {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "eiam:GenerateOauthToken",
                "Resource": f"acs:eiam:*:*:instance/{idaas.instance_id}/application/{idaas.client_id}",
            }
        ],
    }


def page_configuration(settings: Settings, options: AgentRunOptions) -> str:
    """The page's `config.js`: known values are filled in; placeholders in braces are to be replaced."""
    host = settings.idaas.issuer.split("/api/", 1)[0]
    account = options.account or "{accountId}"
    agent = (
        f"https://{account}.agentrun-data.{options.region}.aliyuncs.com/agent-runtimes/{options.name}"
        "/endpoints/production/invocations"
    )
    members = {
        "API_URL": settings.agent_public_url or agent,
        "IDAAS_AUTHORIZE_ENDPOINT": f"{host}/login/app/common/oauth2/authorize",
        "IDAAS_LOGOUT_ENDPOINT": f"{host}/login/app/common/oauth2/logout",
        "CLIENT_ID": "{the Client node's id}",
        "SCOPE": f"{settings.agent_audience}|{settings.agent_scope}",
    }
    return f"// Everything in it is public.\nwindow.APP_CONFIG = {json.dumps(members, indent=2)};\n"


def _client_configuration(settings: Settings) -> tuple[bytes, list[str]]:
    """The SDK configuration file for the package, and its faults for a deployment."""
    text = settings.cloud_idaas_config_path.expanduser().read_bytes()
    authentication = json.loads(text).get("authnConfiguration") or {}
    method = authentication.get("authnMethod") or authentication.get("authn_method") or ""
    if method in _WITHOUT_SECRET:
        return text, []
    needed = ", ".join(sorted(_WITHOUT_SECRET))
    return text, [
        f"authnMethod {method} needs a secret, which a package must not contain: use one of {needed}"
    ]
