"""The SDK configuration file and every environment variable of an agent that uses the sandbox."""

import json
import shlex
from pathlib import Path

from sandbox.addresses import INSTANCE, SYNCHRONIZED_APPLICATION
from sandbox.agent_files.workload_token_files import IDAAS_FILE, STS_FILE
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.certificates import Certificates
from sandbox.federation.federation import Federation
from sandbox.generated_secrets import USER_EVENTS_KEY_FILE, write_private
from sandbox.ram import FUNCTION_LIFETIME, OIDC_PROVIDER_ARN, ROLE, ROLE_ARN
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT, AGENT_AUDIENCE, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE
from sandbox.state.vault import AMAP_API_KEY, LLM_API_KEY

ENVIRONMENT_FILE = "agent.env"
CONFIGURATION_FILE = "client-config.json"
ACCEPTED_TOOLS_FILE = "accepted-tools.json"
_PREPARE = "agent.prepare"
"""The permission of the agent by which an application prepares runs."""


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
    `MY_SHOP_API_KEY_IDENTIFIER`. `variables_of_callers` are among them.
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
    return {
        "CLOUD_IDAAS_CONFIG_PATH": str((folder / CONFIGURATION_FILE).resolve()),
        **authn_variables(authn, role_credentials, folder, cloud),
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
        "REVOCATIONS_FILE": str((folder / "revocations.sqlite").resolve()),
        "AUDIT_LOG_FILE": str((folder / "audit.jsonl").resolve()),
        "ACCEPTED_TOOLS_FILE": str((folder / ACCEPTED_TOOLS_FILE).resolve()),
        "SSL_CERT_FILE": str(certificates.bundle.resolve()),
    } | {**added, **variables_of_callers(cloud)}


def variables_of_callers(cloud: Cloud) -> dict[str, str]:
    """Which claims of users and which applications of `sandbox.toml` the agent is to know; empty without
    them. Variables of the agent's own may say otherwise.
    """
    configuration = cloud.configuration
    claims = dict.fromkeys(name for told in configuration.claims.values() for name in told)
    kept = [name for name in claims if name != "auth_time"]
    clients = [client.client_id for client in configuration.clients]
    entries = [(client, AGENT_AUDIENCE, "agent.access") for client in clients]
    found = {
        "CALLER_CLAIMS": " ".join(kept),
        "CLIENT_IDS": " ".join(clients),
        "ALLOW_CLIENT_CALLERS": "true" if cloud.directory.machine.intersection(entries) else "",
        "PREPARE_SCOPE": _PREPARE if _PREPARE in configuration.agent_permissions else "",
    }
    return {name: value for name, value in found.items() if value}


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


def authn_configuration(method: AuthnMethod, federation: Federation) -> dict[str, str]:
    """The member `authnConfiguration` of the SDK configuration."""
    members = {"identityType": "CLIENT", "authnMethod": str(method)}
    match method:
        case AuthnMethod.PRIVATE_KEY_JWT:
            return members | {"privateKeyEnvVarName": "ENV_PRIVATE_KEY"}
        case AuthnMethod.PKCS7:
            return members | {
                "applicationFederatedCredentialName": "sandbox-ecs",
                "clientDeployEnvironment": "ALIBABA_CLOUD_ECS",
            }
        case AuthnMethod.OIDC:
            return members | {
                "applicationFederatedCredentialName": "sandbox-kubernetes",
                "clientDeployEnvironment": "KUBERNETES",
                "oidcTokenFilePathEnvVarName": "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
            }
        case AuthnMethod.PCA:
            return members | {
                "applicationFederatedCredentialName": "sandbox-private-ca",
                "clientX509Certificate": federation.keys.agent_certificate,
                "x509CertChains": federation.keys.agent_chain,
                "privateKeyEnvVarName": "ENV_PRIVATE_KEY",
            }
        case AuthnMethod.PLUGIN:
            return members | {"pluginName": "alibabacloudPluginCredentialProvider"}
        case _:
            return members | {"clientSecretEnvVarName": "IDAAS_CLIENT_SECRET"}


def authn_variables(
    method: AuthnMethod, role_credentials: RoleCredentials, folder: Path, cloud: Cloud
) -> dict[str, str]:
    """The variables that the method needs. The federated methods and PLUGIN have no client secret.

    `folder` has the workload tokens.
    """
    match method:
        case AuthnMethod.PKCS7:
            return {"ECS_METADATA_ENDPOINT": cloud.addresses.ecs_metadata}
        case AuthnMethod.OIDC:
            return {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": str((folder / IDAAS_FILE).resolve())}
        case AuthnMethod.PCA:
            return {"ENV_PRIVATE_KEY": cloud.federation.keys.agent_key}
        case AuthnMethod.PLUGIN:
            return _role_variables(role_credentials, folder, cloud)
        case _:
            return {
                "IDAAS_CLIENT_SECRET": cloud.secrets.agent_client_secret,
                "ENV_PRIVATE_KEY": cloud.secrets.agent_private_key,
            }


def _role_variables(source: RoleCredentials, folder: Path, cloud: Cloud) -> dict[str, str]:
    """The names are those of the vendor's credentials library, two endpoints aside."""
    addresses = cloud.addresses
    match source:
        case RoleCredentials.URI:
            return {
                "ALIBABA_CLOUD_CREDENTIALS_URI": addresses.credentials_uri,
                "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            }
        case RoleCredentials.ECS:
            return {"ALIBABA_CLOUD_ECS_METADATA": ROLE, "ECS_METADATA_ENDPOINT": addresses.ecs_metadata}
        case RoleCredentials.OIDC:
            return {
                "ALIBABA_CLOUD_ROLE_ARN": ROLE_ARN,
                "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": OIDC_PROVIDER_ARN,
                "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str((folder / STS_FILE).resolve()),
                "ALIBABA_CLOUD_STS_ENDPOINT": addresses.openapi,
            }
    credential = cloud.execution_role.current("function", FUNCTION_LIFETIME)
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": credential.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": credential.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": credential.security_token,
    }
