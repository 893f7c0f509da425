"""What an agent needs to use the sandbox: the SDK configuration file, and every environment variable."""

import json
import shlex
from pathlib import Path

from sandbox.addresses import INSTANCE, SYNCHRONIZED_APPLICATION
from sandbox.agent_files.agent_credentials import authn_configuration, authn_variables
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.certificates import Certificates
from sandbox.generated_secrets import USER_EVENTS_KEY_FILE, write_private
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT, AGENT_AUDIENCE, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE
from sandbox.state.vault import AMAP_API_KEY, LLM_API_KEY

ENVIRONMENT_FILE = "agent.env"
CONFIGURATION_FILE = "client-config.json"
ACCEPTED_TOOLS_FILE = "accepted-tools.json"


def sdk_configuration(cloud: Cloud, authn: AuthnMethod = AuthnMethod.CLIENT_SECRET_POST) -> dict[str, object]:
    """The SDK configuration, as the console generates it for an agent that authenticates by `authn`."""
    addresses = cloud.addresses
    openapi = {"openApiEndpoint": addresses.openapi} if authn is AuthnMethod.PLUGIN else {}
    return {
        "idaasInstanceId": INSTANCE,
        "clientId": AGENT,
        "issuer": addresses.issuer,
        "tokenEndpoint": addresses.token_endpoint,
        "scope": "urn:cloud:idaas:pam|.all",
        "developerApiEndpoint": addresses.developer_api,
        **openapi,
        "authnConfiguration": authn_configuration(authn, cloud.federation),
        "httpConfiguration": {"connectTimeout": 5000, "readTimeout": 10000},
    }


def agent_environment(
    folder: Path,
    cloud: Cloud,
    certificates: Certificates,
    authn: AuthnMethod = AuthnMethod.CLIENT_SECRET_POST,
    role_credentials: RoleCredentials = RoleCredentials.ENVIRONMENT,
) -> dict[str, str]:
    """The variables of an agent that uses this sandbox and authenticates by `authn`. Paths are absolute.

    A service `my-shop` of `sandbox.toml` is `MY_SHOP_SERVICE_URL`, and `MY_SHOP_SERVICE_SCOPE` or
    `MY_SHOP_API_KEY_IDENTIFIER`.
    """
    addresses = cloud.addresses
    added: dict[str, str] = {}
    for service in cloud.configuration.services:
        name = service.name.upper().replace("-", "_")
        added[f"{name}_SERVICE_URL"] = addresses.echo_url(service.name)
        if service.api_key:
            added[f"{name}_API_KEY_IDENTIFIER"] = service.api_key
        elif service.permissions:
            added[f"{name}_SERVICE_SCOPE"] = f"{service.audience}|{service.permissions[0]}"
    variables = authn_variables(
        authn,
        role_credentials,
        folder=folder,
        addresses=addresses,
        secrets=cloud.secrets,
        federation=cloud.federation,
        role=cloud.execution_role,
    )
    return {
        "CLOUD_IDAAS_CONFIG_PATH": str((folder / CONFIGURATION_FILE).resolve()),
        **variables,
        "JWKS_ENDPOINT": addresses.jwks,
        "AGENT_AUDIENCE": AGENT_AUDIENCE,
        "AGENT_SCOPE": "agent.access",
        "LLM_API_KEY_IDENTIFIER": LLM_API_KEY,
        "LLM_BASE_URL": addresses.llm_base_url,
        "EXTERNAL_SERVER_API_KEY_IDENTIFIER": AMAP_API_KEY,
        "EXTERNAL_SERVER_URL": addresses.amap_url,
        "ENTERPRISE_SERVICE_SCOPE": f"{ENTERPRISE_AUDIENCE}|service.invoke",
        "ENTERPRISE_SERVICE_URL": addresses.enterprise_url,
        "LEAVE_SERVICE_SCOPE": f"{LEAVE_AUDIENCE}|leave.write",
        "LEAVE_SERVICE_URL": addresses.leave_url,
        "IDAAS_EVENTS_APPLICATION_ID": SYNCHRONIZED_APPLICATION,
        "IDAAS_EVENTS_JWKS_ENDPOINT": addresses.provisioning_jwks,
        "IDAAS_EVENTS_KEY_FILE": str((folder / USER_EVENTS_KEY_FILE).resolve()),
        "CONVERSATIONS_URL": f"sqlite:///{(folder / 'conversations.db').resolve()}",
        "REVOCATIONS_FILE": str((folder / "revocations.jsonl").resolve()),
        "ACCEPTED_TOOLS_FILE": str((folder / ACCEPTED_TOOLS_FILE).resolve()),
        "SSL_CERT_FILE": str(certificates.bundle.resolve()),
    } | added


def write_agent_files(
    folder: Path,
    cloud: Cloud,
    environment: dict[str, str],
    authn: AuthnMethod = AuthnMethod.CLIENT_SECRET_POST,
) -> None:
    """Writes both files, mode 600. A POSIX shell can source `agent.env`: `set -a; . .sandbox/agent.env`.

    What an agent has accepted of the tools of an earlier sandbox is forgotten: this one may have others.
    """
    (folder / ACCEPTED_TOOLS_FILE).unlink(missing_ok=True)
    write_private(folder / CONFIGURATION_FILE, json.dumps(sdk_configuration(cloud, authn), indent=2) + "\n")
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
    write_private(folder / ENVIRONMENT_FILE, "".join(lines))
