"""The client's private key: a file, or the variable that the configuration file names."""

from collections.abc import Callable

from identity.idaas.client_authentication.declaration import Declaration
from identity.idaas.client_authentication.private_key import PrivateKey, read_private_key, read_private_keys
from identity.secrets.secret_file import SecretFile
from identity.secrets.secret_source import FixedSecret, SecretSource

_MEMBER = "privateKeyEnvVarName"
KeyCheck = Callable[[PrivateKey], None]
"""Raises `ValueError`, without the key, if the key cannot be used."""


def read_client_key(
    declared: Declaration, check: KeyCheck = lambda _: None
) -> SecretSource[PrivateKey] | None:
    """The key in the file of `declared.sources`, else in the variable of `privateKeyEnvVarName`.

    Faults, those that `check` finds included, are noted, and give `None`.
    """
    file = declared.sources.private_key_file
    if file is not None:
        if declared.environment.get(declared.authn.text(_MEMBER), "").strip():
            declared.authn.fault(_MEMBER, f"names a variable that is set beside {file.setting}")

        def keys(text: str) -> tuple[PrivateKey, ...]:
            found = read_private_keys(text)
            for key in found:
                check(key)
            return found

        try:
            return SecretFile(file.path, keys, clock=declared.clock)
        except ValueError as error:
            declared.fault(f"{file.setting} names a file that {error}")
            return None
    pem = declared.authn.variable(_MEMBER, declared.environment)
    try:
        key = read_private_key(pem)
        check(key)
    except ValueError as error:
        if pem:
            declared.authn.fault(_MEMBER, f"names a variable whose value {error}")
        return None
    return FixedSecret(key)
