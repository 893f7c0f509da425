"""The client secret: a file, or the variable that the configuration file names."""

from identity.idaas.client_authentication.declaration import Declaration
from identity.secrets.secret import Secret
from identity.secrets.secret_file import SecretFile, parse_secret_lines
from identity.secrets.secret_source import FixedSecret, SecretSource

_MEMBER = "clientSecretEnvVarName"


def read_client_secret(declared: Declaration) -> SecretSource[Secret] | None:
    """The secret in the file of `declared.sources`, else in the variable of `clientSecretEnvVarName`.

    Faults are noted, and give `None`.
    """
    file = declared.sources.client_secret_file
    if file is not None:
        if declared.environment.get(declared.authn.text(_MEMBER), "").strip():
            declared.authn.fault(_MEMBER, f"names a variable that is set beside {file.setting}")
        try:
            return SecretFile(file.path, _secrets, clock=declared.clock)
        except ValueError as error:
            declared.fault(f"{file.setting} names a file that {error}")
            return None
    value = declared.authn.variable(_MEMBER, declared.environment)
    if "-----BEGIN" in value:
        declared.authn.fault(_MEMBER, "names a variable that holds a key or certificate, not a secret")
    return FixedSecret(Secret(value)) if value else None


def _secrets(text: str) -> tuple[Secret, ...]:
    return tuple(Secret(line) for line in parse_secret_lines(text))
