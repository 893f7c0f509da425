"""What each method of client authentication needs: members of the SDK configuration, and variables."""

from pathlib import Path

from sandbox.addresses import Addresses
from sandbox.agent_files.workload_token_files import IDAAS_FILE, STS_FILE
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.federation.federation import Federation
from sandbox.generated_secrets import GeneratedSecrets
from sandbox.ram import (
    FUNCTION_LIFETIME,
    OIDC_PROVIDER_ARN,
    ROLE,
    ROLE_ARN,
    ExecutionRole,
)


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
    method: AuthnMethod,
    role_credentials: RoleCredentials,
    *,
    folder: Path,
    addresses: Addresses,
    secrets: GeneratedSecrets,
    federation: Federation,
    role: ExecutionRole,
) -> dict[str, str]:
    """The variables that the method needs. The federated methods and PLUGIN have no client secret.

    `folder` has the workload tokens. PLUGIN with credentials in the environment has those of a function's
    start, good for 36 hours.
    """
    match method:
        case AuthnMethod.PKCS7:
            return {"ECS_METADATA_ENDPOINT": addresses.ecs_metadata}
        case AuthnMethod.OIDC:
            return {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": str((folder / IDAAS_FILE).resolve())}
        case AuthnMethod.PCA:
            return {"ENV_PRIVATE_KEY": federation.keys.agent_key}
        case AuthnMethod.PLUGIN:
            return _role_variables(role_credentials, folder, addresses, role)
        case _:
            return {
                "IDAAS_CLIENT_SECRET": secrets.agent_client_secret,
                "ENV_PRIVATE_KEY": secrets.agent_private_key,
            }


def _role_variables(
    source: RoleCredentials, folder: Path, addresses: Addresses, role: ExecutionRole
) -> dict[str, str]:
    """The names are those of the vendor's credentials library, two endpoints aside."""
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
    credential = role.current("function", FUNCTION_LIFETIME)
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": credential.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": credential.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": credential.security_token,
    }
