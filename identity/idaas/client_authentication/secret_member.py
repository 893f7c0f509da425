"""The client secret, as the configuration file names it."""

from identity.idaas.client_authentication.declaration import Declaration
from identity.secret import Secret


def read_client_secret(declared: Declaration) -> Secret:
    """The secret in the variable that `clientSecretEnvVarName` names. Faults are noted."""
    name = "clientSecretEnvVarName"
    value = declared.authn.variable(name, declared.environment)
    if "-----BEGIN" in value:
        declared.authn.fault(name, "names a variable that holds a key or certificate, not a secret")
    return Secret(value)
