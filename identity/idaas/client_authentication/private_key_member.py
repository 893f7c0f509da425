"""The client's private key, as the configuration file names it."""

from identity.idaas.client_authentication.declaration import Declaration
from identity.idaas.private_key import PrivateKey, read_private_key


def read_client_key(declared: Declaration) -> PrivateKey | None:
    """The key in the variable that `privateKeyEnvVarName` names. Faults are noted, and give `None`."""
    name = "privateKeyEnvVarName"
    pem = declared.authn.variable(name, declared.environment)
    try:
        return read_private_key(pem)
    except ValueError as error:
        if pem:
            declared.authn.fault(name, f"names a variable whose value {error}")
        return None
