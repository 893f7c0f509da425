"""`idaas-agent audit verify`: whether the audit log is whole. Needs no settings of the agent."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent.commands.audit.files import Files, named_files, unusable
from agent.commands.terminal import ENV_FILE_HELP, environment, out
from agent.settings.variables.records import keys_in_file

if TYPE_CHECKING:
    from agent.operations.audit.chain import AuditKey, Head
    from agent.operations.audit.verify import Place, Verification, VerifiedChain

_EXPECTED: Final = re.compile(r"([1-9][0-9]{0,18}):([0-9a-f]{64})")
_HEAD: Final = re.compile(r"([0-9a-f]{1,64}):([1-9][0-9]{0,18}):([0-9a-f]{64})")
_SHOWN: Final = 100

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_EnvFile = Annotated[Path | None, typer.Option(help=ENV_FILE_HELP)]


def verify(
    files: Files = None,
    expect: Annotated[
        list[str] | None, typer.Option(metavar="SEQ:HASH", help="A line that must be there. Repeatable.")
    ] = None,
    heads: Annotated[
        Path | None,
        typer.Option(help="A file of the latest lines: they must be there; replaced if all is in order."),
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="The file of the keys [AUDIT_KEY_FILE].")] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="The log may begin in earlier files, which are not there.")
    ] = False,
    json_: _Json = False,
    env_file: _EnvFile = None,
) -> None:
    """Finds lines that were removed, changed, moved, inserted or duplicated, and prints the latest lines.

    Exit status: 0 if all is in order, 1 with findings, 2 if a file cannot be read. Lines that were cut off at
    the end are found if a later line, --expect or --heads names one: keep the printed heads elsewhere.
    """
    from agent.operations.audit.verify import verify as verified

    variables = environment(env_file)
    expected = [_expected(text) for text in expect or ()]
    known = _known_heads(heads)
    keys = _keys(key_file, variables.get("AUDIT_KEY_FILE"))
    paths = named_files(files, variables)
    try:
        result = verified(paths, keys, expected=expected, heads=known, partial=partial)
    except (OSError, EOFError) as error:
        unusable(f"a file cannot be read: {error}")
    if json_:
        typer.echo(json.dumps(_as_json(result), indent=2))
    else:
        _print(result)
    if result.findings:
        raise typer.Exit(1)
    if heads is not None:
        _keep(heads, result)


def _keys(file: Path | None, named: str | None) -> "list[AuditKey]":
    from agent.operations.audit.chain import AuditKey

    path = str(file) if file is not None else (named or "").strip()
    if not path:
        return []
    try:
        return [AuditKey(secret) for secret in keys_in_file(Path(path))]
    except ValueError as error:
        unusable(f"{'--key-file' if file is not None else 'AUDIT_KEY_FILE'} {error}")


def _expected(text: str) -> tuple[int, str]:
    if (match := _EXPECTED.fullmatch(text.strip())) is None:
        unusable(f"--expect must be SEQ:HASH, as this command prints it, found {text!r}")
    return int(match[1]), match[2]


def _known_heads(file: Path | None) -> "Sequence[tuple[Head, Place]]":
    from agent.operations.audit.chain import Head
    from agent.operations.audit.verify import Place

    if file is None or not file.exists():
        return []
    heads = []
    try:
        lines = file.read_text("ascii").splitlines()
    except (OSError, ValueError) as error:
        unusable(f"--heads cannot be read: {error}")
    for number, line in enumerate(lines, 1):
        if (match := _HEAD.fullmatch(line.strip())) is None:
            unusable(f"--heads must have lines PROCESS:SEQ:HASH, found another in line {number}")
        heads.append((Head(match[1], int(match[2]), match[3]), Place(str(file), number)))
    return heads


def _keep(file: Path, result: "Verification") -> None:
    heads = [chain.head for chain in result.chains]
    text = "".join(f"{head.process}:{head.seq}:{head.hash}\n" for head in heads)
    try:
        new = file.with_name(f"{file.name}.new")
        new.write_text(text, "ascii")
        new.replace(file)
    except OSError as error:
        unusable(f"--heads cannot be written: {error}")


def _print(result: "Verification") -> None:
    for finding in result.findings[:_SHOWN]:
        out.print(str(finding), style="red")
    if len(result.findings) > _SHOWN:
        out.print(f"… and {len(result.findings) - _SHOWN} more findings (--json prints all)", style="red")
    for chain in result.chains:
        out.print(_text(chain))
        out.print(f"  head {chain.head.seq}:{chain.head.hash}", style="dim")
    count = len(result.findings)
    summary = f"{_counted(result.lines, 'line')}, {_counted(len(result.chains), 'process', 'processes')}"
    if count:
        out.print(f"{summary}: {_counted(count, 'finding')}", style="bold red")
    else:
        out.print(f"{summary}: in order", style="bold green")


def _text(chain: "VerifiedChain") -> str:
    signed = f"key {chain.key}" if chain.key else "no key"
    end = "ended" if chain.ended else "no end: it runs, was killed, or its latest lines were cut off"
    numbers = f"numbers {chain.first} to {chain.head.seq}"
    return f"process {chain.head.process}: {numbers}, {chain.began} to {chain.latest}, {signed}; {end}"


def _counted(number: int, one: str, more: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _as_json(result: "Verification") -> dict[str, Any]:
    return {
        "in_order": not result.findings,
        "lines": result.lines,
        "findings": [
            {"file": each.place.file, "line": each.place.line, "kind": each.kind, "problem": each.problem}
            for each in result.findings
        ],
        "processes": [asdict(chain) for chain in result.chains],
    }
