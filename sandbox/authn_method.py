"""How the agent authenticates to IDaaS. Imports nothing: commands name these choices in their options."""

from enum import StrEnum


class AuthnMethod(StrEnum):
    """The values of `authnMethod` in the SDK configuration."""

    CLIENT_SECRET_POST = "CLIENT_SECRET_POST"  # noqa: S105 - a name
    CLIENT_SECRET_BASIC = "CLIENT_SECRET_BASIC"  # noqa: S105 - a name
    CLIENT_SECRET_JWT = "CLIENT_SECRET_JWT"  # noqa: S105 - a name
    PRIVATE_KEY_JWT = "PRIVATE_KEY_JWT"
    PKCS7 = "PKCS7"
    OIDC = "OIDC"
    PCA = "PCA"
    PLUGIN = "PLUGIN"


class RoleCredentials(StrEnum):
    """Where PLUGIN takes the credentials of the execution role from."""

    ENVIRONMENT = "environment"
    URI = "uri"
    ECS = "ecs"
    OIDC = "oidc"
