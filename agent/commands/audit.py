"""`idaas-agent audit`: verify the audit log, and show it to people. Needs no settings of the agent."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.text import Text

from agent.commands.help_panels import RECORDS
from agent.commands.terminal import ENV_FILE, environment, err, out, seconds_of
from agent.operations.audit.verify import Place, Verification, VerifiedChain, read_lines
from agent.operations.audit.verify import verify as verified
from identity.audit.chain import AuditKey, Head, record_of
from identity.printable import printable_line, rfc3339
from identity.settings.variables import keys_in_file

app = typer.Typer(rich_help_panel=RECORDS, help="The audit log: verify it, show it.", no_args_is_help=True)

FILES = Annotated[
    list[Path] | None, typer.Argument(help="Files of one log, in any order. \\[env var: AUDIT_LOG_FILE]")
]
_Texts = Annotated[list[str] | None, typer.Option(help="Only these. Repeatable.")]
_UNSHOWN: Final = ("time", "event", "outcome", "principal", "token_hash", "previous", "key", "hash")
_STYLES: Final = {"succeeded": "green", "started": "cyan", "refused": "red", "failed": "red"}


def unusable(problem: str) -> NoReturn:
    """Ends the command with exit status 2: 1 is for findings."""
    err.print(problem, style="red")
    raise typer.Exit(2)


def named_files(files: list[Path] | None, variables: Mapping[str, str]) -> list[Path]:
    """`files`, or that of `AUDIT_LOG_FILE`."""
    if files:
        return files
    if (named := variables.get("AUDIT_LOG_FILE", "").strip()) not in ("", "-"):
        return [Path(named)]
    unusable("name a file, or set AUDIT_LOG_FILE")


@app.command()
def verify(
    files: FILES = None,
    heads: Annotated[
        Path | None,
        typer.Option(help="A file of the latest lines: they must be there; replaced if all is in order."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The file of the keys. \\[env var: AUDIT_KEY_FILE]")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="The log may begin in earlier files, which are not there.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Finds lines that were removed, changed, moved, inserted or duplicated, and prints the latest lines.

    Exit status: 0 if all is in order, 1 with findings, 2 if a file cannot be read. Lines that were cut off at
    the end are found if a later line or --heads names one: keep that file elsewhere.
    """
    variables = environment(env_file)
    former = _known_heads(heads)
    keys = _keys(key_file, variables.get("AUDIT_KEY_FILE"))
    paths = named_files(files, variables)
    try:
        result = verified(paths, keys, heads=former, partial=partial)
    except (OSError, EOFError) as error:
        unusable(f"a file cannot be read: {error}")
    if json_:
        typer.echo(json.dumps({"in_order": not result.findings, **asdict(result)}, indent=2))
    else:
        _print(result)
    if result.findings:
        raise typer.Exit(1)
    if heads is not None:
        _keep(heads, result)


def _keys(file: Path | None, named: str | None) -> list[AuditKey]:
    path = str(file) if file is not None else (named or "").strip()
    if not path:
        return []
    option = "AUDIT_KEY_FILE" if file is None else "--key-file"
    try:
        return [AuditKey(secret) for secret in keys_in_file(path)]
    except ValueError as error:
        unusable(f"{option} {error}")


def _known_heads(file: Path | None) -> Sequence[tuple[Head, Place]]:
    if file is None or not file.exists():
        return []
    try:
        lines = [line.split(":") for line in file.read_text("ascii").split()]
        heads = [Head(process, int(seq), hash_) for process, seq, hash_ in lines]
    except (OSError, ValueError) as error:
        unusable(f"--heads must have lines PROCESS:SEQ:HASH: {error}")
    return [(head, Place(str(file), number)) for number, head in enumerate(heads, 1)]


def _keep(file: Path, result: Verification) -> None:
    text = "".join(f"{_head(chain)}\n" for chain in result.chains)
    try:
        new = file.with_name(f"{file.name}.new")
        new.write_text(text, "ascii")
        new.replace(file)
    except OSError as error:
        unusable(f"--heads cannot be written: {error}")


def _print(result: Verification) -> None:
    for finding in result.findings:
        out.print(str(finding), style="red")
    for chain in result.chains:
        out.print(_text(chain))
        out.print(f"  head {_head(chain)}", style="dim")
    count = len(result.findings)
    summary = f"{_counted(result.lines, 'line')}, {_counted(len(result.chains), 'process', 'processes')}"
    if count:
        out.print(f"{summary}: {_counted(count, 'finding')}", style="bold red")
    else:
        out.print(f"{summary}: in order", style="bold green")


def _head(chain: VerifiedChain) -> str:
    return f"{chain.head.process}:{chain.head.seq}:{chain.head.hash}"


def _text(chain: VerifiedChain) -> str:
    signed = f"key {chain.key}" if chain.key else "no key"
    end = "ended" if chain.ended else "no end: it runs, was killed, or its latest lines were cut off"
    numbers = f"numbers {chain.first} to {chain.head.seq}"
    return f"process {chain.head.process}: {numbers}, {chain.began} to {chain.latest}, {signed}; {end}"


def _counted(number: int, one: str, more: str | None = None) -> str:
    if number == 1:
        return f"{number:,} {one}"
    return f"{number:,} {more or one + 's'}"


@app.command()
def show(
    files: FILES = None,
    user: Annotated[str | None, typer.Option(help="Only of this user: their sub.")] = None,
    since: Annotated[
        str | None, typer.Option(help="2026-11-25T09:00:00Z, unix seconds, or 90m (ago).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Likewise; records of that time are left out.")] = None,
    tool: _Texts = None,
    event: _Texts = None,
    outcome: _Texts = None,
    request: Annotated[str | None, typer.Option(help="Only of this request: its X-Request-Id.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, a line each.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Prints the records, the earliest file first: time, outcome, event, who, what, whose rights, duration.

    It verifies nothing: idaas-agent audit verify.
    """
    now = time.time()
    begins, ends = (_bound(name, text, now) for name, text in (("--since", since), ("--until", until)))

    def chosen(record: Mapping[str, Any]) -> bool:
        subject = (record.get("principal") or {}).get("sub")
        return (
            user in (None, subject)
            and (not begins or record["time"] >= begins)
            and (not ends or record["time"] < ends)
            and (not tool or record.get("tool") in tool)
            and (not event or record["event"] in event)
            and (not outcome or record.get("outcome") in outcome)
            and request in (None, record.get("request_id"))
        )

    others = 0
    try:
        for file in sorted(named_files(files, environment(env_file)), key=_begins):
            for record in records(file):
                if record is None:
                    others += 1
                elif chosen(record):
                    print_record(record, as_json=json_)
    except (OSError, EOFError) as error:
        unusable(f"a file cannot be read: {error}")
    if others:
        err.print(f"{others} lines are no audit records: idaas-agent audit verify names them", style="yellow")


@app.command()
def explain(
    about: Annotated[str, typer.Argument(help="The call_id of a call, or the id of an approval or grant.")],
    files: FILES = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, a line each.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Prints who was asked and who approved, or by what it was refused, what had been read, and the call. It
    verifies nothing. A call under a grant is shown with the approval that gave it.
    """
    paths = named_files(files, environment(env_file))
    try:
        about_tools = []
        for path in paths:
            about_tools += [record for record in records(path) if record and record.get("tool")]
    except (OSError, EOFError) as error:
        unusable(f"a file cannot be read: {error}")
    calls = [record for record in about_tools if about in (record.get("call_id"), record.get("approval"))]
    approvals = {call["approval"] for call in calls if call.get("approval")}
    of_approvals = [
        record
        for record in about_tools
        if record.get("approval") in approvals and record["event"] != "tool_call" and record not in calls
    ]
    for record in sorted([*calls, *of_approvals], key=itemgetter("time")):
        print_record(record, as_json=json_)
    if not calls:
        unusable(f'no record is about "{about}"')
    if not approvals and not json_:
        out.print(_without_approval(calls))


def _without_approval(calls: Sequence[Mapping[str, Any]]) -> str:
    """Why no person was asked about a call: none was required, or it was refused before."""
    refused = next((call for call in calls if call.get("outcome") == "refused"), None)
    if refused is None:
        return "no approval was required"
    if error := refused.get("error"):
        return f"it was refused and not made: {error} (docs/errors.md says what to do)"
    if rules := refused.get("rules"):
        return f"it was refused and not made, by {'; '.join(rules)}"
    return "it was refused and not made: the policy of the tool denies it, or its arguments do not fit"


def _bound(name: str, text: str | None, now: float) -> str:
    """In the form of `time` in a record; empty if there is none."""
    if text is None:
        return ""
    try:
        return rfc3339(seconds_of(text, now))
    except (ValueError, OverflowError, OSError) as error:
        unusable(f"{name} {error}")


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints a record for people, or as JSON."""
    if as_json:
        typer.echo(json.dumps(record, separators=(",", ":")).replace("\x7f", "\\u007f"))
    else:
        out.print(_line(record))


def _begins(file: Path) -> str:
    first = next((record for record in records(file) if record), None)
    return str(first["time"]) if first else ""


def records(file: Path) -> Iterator[dict[str, Any] | None]:
    """The records of a file, `None` for a line that is none. Raises `OSError` and `EOFError`."""
    for _, text in read_lines(file):
        yield record_of(text)


def _line(record: Mapping[str, Any]) -> Text:
    outcome = str(record.get("outcome"))
    who = (record.get("principal") or {}).get("sub") or record.get("client") or "-"
    line = Text(f"{record['time']}  ")
    line.append(f"{outcome:<9}", _STYLES.get(outcome, "yellow"))
    line.append(f"  {record['event']:<15}  {printable_line(who)}")
    for name, value in record.items():
        if value is not None and name not in _UNSHOWN:
            text = "; ".join(map(str, value)) if isinstance(value, list) else value
            style = "red" if name == "error" else ""
            line.append(f"  {name}={printable_line(text)}", style)
    return line
