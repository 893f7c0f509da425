"""`idaas-agent audit show`: the audit log for people, a line for each record."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from agent.commands.audit.files import Files, named_files, unusable
from agent.commands.point_in_time import seconds_of
from agent.commands.terminal import ENV_FILE_HELP, environment, err, out

_STYLES: Final = {"succeeded": "green", "started": "cyan", "refused": "red", "failed": "red"}

_Texts = Annotated[list[str] | None, typer.Option(help="Only these. Repeatable.")]


def show(
    files: Files = None,
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
    env_file: Annotated[Path | None, typer.Option(help=ENV_FILE_HELP)] = None,
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

    try:
        others = _print(named_files(files, environment(env_file)), chosen, as_json=json_)
    except (OSError, EOFError) as error:
        unusable(f"a file cannot be read: {error}")
    if others:
        err.print(f"{others} lines are no audit records: idaas-agent audit verify names them", style="yellow")


def _bound(name: str, text: str | None, now: float) -> str:
    """In the form of `time` in a record; empty if there is none."""
    if text is None:
        return ""
    try:
        moment = datetime.fromtimestamp(seconds_of(text, now), UTC)
    except (ValueError, OverflowError, OSError) as error:
        unusable(f"{name} {error}")
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _print(files: Sequence[Path], chosen: Callable[[Mapping[str, Any]], bool], *, as_json: bool) -> int:
    """Returns how many lines are no records."""
    others = 0
    for file in sorted(files, key=_begins):
        for record in _records(file):
            if record is None:
                others += 1
            elif chosen(record):
                if as_json:
                    typer.echo(json.dumps(record, separators=(",", ":")).replace("\x7f", "\\u007f"))
                else:
                    out.print(_line(record))
    return others


def _begins(file: Path) -> str:
    first = next((record for record in _records(file) if record), None)
    return str(first["time"]) if first else ""


def _records(file: Path) -> Iterator[dict[str, Any] | None]:
    from agent.operations.audit.verify import read_lines

    for _, text in read_lines(file):
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        yield record if _is_record(record) else None


def _is_record(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("principal"), dict | None):
        return False
    return isinstance(value.get("time"), str) and isinstance(value.get("event"), str)


def _line(record: Mapping[str, Any]) -> Text:
    outcome = str(record.get("outcome"))
    who = (record.get("principal") or {}).get("sub") or record.get("client") or "-"
    line = Text(f"{record['time']}  ")
    line.append(f"{outcome:<9}", _STYLES.get(outcome, "yellow"))
    line.append(f"  {record['event']:<15}  {who}")
    for part in _about(record):
        line.append(f"  {part}")
    if record.get("error"):
        line.append(f"  {record['error']}", "red")
    if record.get("request_id"):
        line.append(f"  {record['request_id']}", "dim")
    return line


def _about(record: Mapping[str, Any]) -> Iterator[str]:
    """What was used, and by whose rights."""

    def has(name: str) -> bool:
        return record.get(name) is not None

    if has("tool"):
        yield f"{record.get('service') or '?'}/{record['tool']}"
    if has("model"):
        yield str(record["model"])
    if has("input_tokens") or has("output_tokens"):
        yield f"{record.get('input_tokens') or 0}+{record.get('output_tokens') or 0} tokens"
    if has("audience") or has("scope"):
        yield "|".join(str(record[name]) for name in ("audience", "scope") if has(name))
    if has("credential"):
        yield str(record["credential"])
    if has("access_identity"):
        yield f"as {record['access_identity']}"
    if record.get("lost"):
        yield f"{record['lost']} records lost"
    if has("duration_ms"):
        yield f"{record['duration_ms']} ms"
