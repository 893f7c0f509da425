"""`idaas-agent audit sign`, `keys`, `receipt` and `verify-receipt`."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from agent.commands.audit import FILES, named_files, print_record, unusable
from agent.commands.terminal import ENV_FILE, environment, err, operator_settings, out
from agent.operations.audit.verify import read_lines
from agent.settings.settings import Settings
from identity.audit.chain import AuditKey, Line, record_of, split
from plugins.receipts.note import PublicKey, SigningKey
from plugins.receipts.receipt import ReceiptError, about_call, receipt_of, verified_receipt
from plugins.receipts.signed_log import SignedLog, folder_beside, signed_folder
from plugins.receipts.signing_keys import CommandKey, file_keys
from plugins.receipts.unsigned_lines import log_files, unsigned_lines
from plugins.receipts.variables import ReceiptVariables

_MAX_RECEIPT: Final = 10_000_000


def sign(
    files: FILES = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until it is ended, and sign what is written.")
    ] = False,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600, help="With --follow: the time between two checkpoints.")
    ] = 10,
    env_file: ENV_FILE = None,
) -> None:
    """Signs the lines of the audit log that are not signed yet, also after it was rotated.

    Run it beside the agent, best as another user of the system: the agent needs no signing key. It may be
    ended at any time, and goes on where it was. Exit status: 0, 1 if lines are missing or were refused, 2 if
    it cannot sign.
    """
    settings = operator_settings(env_file)
    paths = named_files(files, environment(env_file))
    log = _signed_log(settings, paths)
    keys = _signing_keys(settings)
    if not keys:
        unusable("set AUDIT_SIGNING_KEY_FILE, or AUDIT_SIGNING_COMMAND with its public key")
    line_keys = [AuditKey(secret) for secret in settings.audit_key_file or ()]
    findings = 0
    try:
        with log.locked():
            findings = _sign_all(log, paths, keys, line_keys)
            while follow:
                time.sleep(seconds)
                _sign_all(log, paths, keys, line_keys)
    except BlockingIOError:
        unusable(f"another process signs in {log.folder}")
    except (OSError, EOFError, ValueError) as error:
        unusable(f"the log is not signed: {error}")
    signed = log.state()
    out.print(signed.checkpoint, end="")
    if signed.refused:
        text = f"{signed.refused:,} lines of this log were refused until now, and have no receipt"
        err.print(text, style="yellow")
    if findings:
        raise typer.Exit(1)


def _sign_all(
    log: SignedLog, paths: Sequence[Path], keys: Sequence[SigningKey], line_keys: Sequence[AuditKey]
) -> int:
    """Signs what is unsigned now, and prints what is wrong there. How many findings."""
    findings = 0
    more = True
    while more:
        state = log.state()
        unsigned = unsigned_lines(paths, state, line_keys, is_signed=_SignedLeaves(log, state.tree.size))
        log.sign(unsigned.state, unsigned.leaves, keys)
        for finding in unsigned.findings:
            err.print(finding, style="red")
        findings += len(unsigned.findings)
        more = unsigned.more
    return findings


@dataclass(slots=True)
class _SignedLeaves:
    """Whether a leaf is one of the first `size` of a log, which are read for the first question."""

    log: SignedLog
    size: int
    _leaves: frozenset[bytes] | None = None

    def __call__(self, leaf: bytes) -> bool:
        if self._leaves is None:
            self._leaves = frozenset(self.log.leaves(self.size))
        return leaf in self._leaves


def keys(env_file: ENV_FILE = None) -> None:
    """Prints the public keys of receipts, the earliest first: those that have signed, and those that will."""
    settings = operator_settings(env_file)
    log = _signed_log(settings, [])
    configured = [str(PublicKey(log.name, key.public)) for key in _signing_keys(settings)]
    for key in dict.fromkeys([*log.keys(), *configured]):
        out.print(key, soft_wrap=True)


def receipt(
    call: Annotated[str, typer.Argument(help="The call_id of the call.")],
    files: FILES = None,
    user: Annotated[str | None, typer.Option(help="The user's sub, if several people have the id.")] = None,
    issuer: Annotated[
        str | None, typer.Option(help="Who issues the user's tokens, if users of several have the sub.")
    ] = None,
    env_file: ENV_FILE = None,
) -> None:
    """Prints the receipt of a call: its lines of the audit log, and the proof that they are signed.

    Exit status: 1 if a line is not signed, or was changed since; 2 if there is no such call.
    """
    settings = operator_settings(env_file)
    paths = named_files(files, environment(env_file))
    log = _signed_log(settings, paths)
    try:
        lines = _lines_about(call, log_files(paths))
        about = about_call([record for line in lines if (record := record_of(line))], call, user, issuer)
    except (OSError, EOFError, ReceiptError) as error:
        unusable(str(error))
    by_hash = {line.rpartition(b'"hash":"')[2]: line for line in lines}
    chosen = [by_hash[f'{record["hash"]}"}}'.encode()] for record in about]
    try:
        made = receipt_of(call, chosen, log, log.state())
    except ReceiptError as error:
        err.print(str(error), style="red")
        raise typer.Exit(1) from None
    except (OSError, ValueError) as error:
        unusable(f"the signed log cannot be read: {error}")
    typer.echo(json.dumps(made, indent=1))


def _lines_about(call: str, paths: Sequence[Path]) -> list[bytes]:
    """The lines that have the id of the call, or that of one of its approvals. No others are in memory."""
    of_call = _lines_with({json.dumps(call).encode()}, paths)
    approvals = {
        record["approval"] for line in of_call if (record := record_of(line)) and record.get("approval")
    }
    of_approvals = _lines_with({json.dumps(approval).encode() for approval in approvals}, paths)
    return [*dict.fromkeys([*of_call, *of_approvals])]


def _lines_with(values: set[bytes], paths: Sequence[Path]) -> list[bytes]:
    return [
        part
        for path in paths
        for _, text in read_lines(path)
        if any(value in text for value in values)
        for part in split(text)
        if Line.parse(part) is not None
    ]


def verify_receipt(
    file: Annotated[Path, typer.Argument(help="The receipt.")],
    key: Annotated[str, typer.Option(help="The public key, NAME+ID+KEY, or a file of such keys.")],
    json_: Annotated[bool, typer.Option("--json", help="Print the records as JSON, a line each.")] = False,
) -> None:
    """Verifies a receipt, and prints what it proves. Needs no settings, no log and no agent.

    Exit status: 0 if it is proven, 1 if it is not, 2 if a file or key cannot be read.
    """
    try:
        text = _bounded(file)
        publics = [PublicKey.parse(line) for line in _key_lines(key)]
    except (OSError, ValueError) as error:
        unusable(str(error))
    failure = "there is no public key"
    for public in publics:
        try:
            verified = verified_receipt(text, public)
        except ReceiptError as error:
            failure = str(error)
            continue
        for record in verified.records:
            print_record(record, as_json=json_)
        if not json_:
            size = verified.checkpoint.size
            out.print(f"proven by {public.name}+{public.id.hex()}: a log of {size:,} lines", style="green")
        return
    err.print(f"not proven: {failure}", style="red")
    raise typer.Exit(1)


def _bounded(file: Path) -> str:
    if file.stat().st_size > _MAX_RECEIPT:
        raise ValueError(f"{file} is no receipt: it is larger than {_MAX_RECEIPT:,} bytes")
    return file.read_text("utf-8")


def _key_lines(key: str) -> list[str]:
    """The keys of a file of that name; else `key` itself."""
    if "+" in key and not Path(key).is_file():
        return [key]
    return _bounded(Path(key)).split()


def _signed_log(settings: Settings, paths: Sequence[Path]) -> SignedLog:
    variables = settings.of(ReceiptVariables)
    if variables.audit_signing_name is None:
        unusable("AUDIT_SIGNING_NAME must be set: the name of the signed log")
    folder = signed_folder(settings)
    if folder is None and paths:
        folder = folder_beside(paths[0])
    if folder is None:
        unusable("AUDIT_SIGNING_FOLDER or AUDIT_LOG_FILE must be set")
    return SignedLog(folder, variables.audit_signing_name)


def _signing_keys(settings: Settings) -> list[SigningKey]:
    """The keys that sign: those of the file, then that of the command."""
    variables = settings.of(ReceiptVariables)
    signing: list[SigningKey] = []
    try:
        if (file := variables.audit_signing_key_file) is not None:
            signing += file_keys(file)
        command, public = variables.audit_signing_command, variables.audit_signing_public_key_file
        if command is not None and public is not None:
            signing.append(CommandKey.of(command, public))
    except ValueError as error:
        unusable(str(error))
    return signing
