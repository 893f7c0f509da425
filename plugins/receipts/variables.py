"""The variables of receipts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from agent.settings.plugin_variables import PluginVariables
from identity.settings.values import checked_by, set_together
from plugins.receipts.note import is_name


def _name(value: str) -> None:
    if not is_name(value):
        raise ValueError("must be a name without spaces and +, such as agent.example.com/audit")


class ReceiptVariables(PluginVariables):
    """Who signs the audit log, so that people without its key can verify it."""

    heading = "Receipts"

    audit_signing_name: Annotated[str, checked_by(_name)] | None = None
    """The name of the signed log, such as `agent.example.com/audit` (`plugins/receipts/README.md`). Each
    folder has one of its own."""
    audit_signing_folder: Path | None = None
    """What is signed, and the public keys. Default: the file of the audit log, and `.signed`."""
    audit_signing_key_file: Path | None = None
    """A file with the private key of Ed25519 that signs (PEM), or two during a rotation. `audit sign` alone
    reads it."""
    audit_signing_command: str | None = None
    """A command that signs in a KMS or an HSM: message on standard input, signature in base64 on output."""
    audit_signing_public_key_file: Path | None = None
    """The public key of `AUDIT_SIGNING_COMMAND` (PEM)."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        yield from set_together(given, "audit_signing_command", "audit_signing_public_key_file")
