"""The members and parameters that `PKCS7`, `OIDC` and `PCA` share: a federated credential of the application.

IDaaS has an application's federated credentials by name; the name leads to the provider that must have issued
what is presented.
"""

from identity.idaas.client_authentication.declaration import Declaration

_ASSERTION_TYPES = "urn:cloud:idaas:params:oauth:client-assertion-type"


def read_credential_name(declared: Declaration) -> str:
    """The member `applicationFederatedCredentialName`; its absence is noted as a fault."""
    return declared.authn.text("applicationFederatedCredentialName", required=True)


def check_environment(declared: Declaration, expected: str) -> None:
    """Notes a fault unless `clientDeployEnvironment` is `expected`, the only one that the SDK serves."""
    name = "clientDeployEnvironment"
    found = declared.authn.text(name, required=True)
    if found and found != expected:
        method = declared.authn.text("authnMethod")
        declared.authn.fault(name, f'must be "{expected}" with {method}, found "{found}"')


def federated_form(client_id: str, credential_name: str, kind: str, assertion: str) -> dict[str, str]:
    """The parameters of the token endpoint, in the order of the vendor's SDK."""
    return {
        "client_id": client_id,
        "application_federated_credential_name": credential_name,
        "client_assertion_type": f"{_ASSERTION_TYPES}:{kind}",
        "client_assertion": assertion,
    }
