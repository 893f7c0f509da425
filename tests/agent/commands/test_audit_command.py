"""`idaas-agent audit`, by Typer's runner."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agent.commands.command_line import app
from identity.audit.event import AuditedAction, AuditOutcome, Ruled
from identity.audit.file_destination import AuditFile
from identity.audit.log import AuditLog
from identity.error_codes import IdentityCode
from identity.principal import AccessIdentity, Principal
from tests.agent.operations.audit.audit_lines import KEY, event, lines_of, put_lines, records_of, write_log

pytestmark = pytest.mark.promise("on-record")

NOON = 1_795_608_000.0
STARTED, FAILED = AuditOutcome.STARTED, AuditOutcome.FAILED


def audit(*arguments: object, **variables: str) -> Result:
    environment: dict[str, Any] = {"AUDIT_LOG_FILE": "", "AUDIT_KEY_FILE": "", "COLUMNS": "500", **variables}
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], env=environment)


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    await write_log(path, "call_1", "call_2")
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("k" * 32 + "\n")
    return path


def head_of(record: dict[str, Any]) -> str:
    return f"{record['process']}:{record['seq']}:{record['hash']}"


def test_log_in_order_is_verified_and_its_latest_line_printed(file):
    result = audit("verify", file)
    assert result.exit_code == 0
    last = records_of(file)[-1]
    assert f"head {head_of(last)}" in result.stdout
    assert "4 lines, 1 process: in order" in result.stdout
    assert "\x1b" not in result.stdout


def test_finding_is_printed_with_its_file_and_line(file):
    lines = lines_of(file)
    put_lines(file, [lines[0], *lines[2:]])
    result = audit("verify", file)
    assert result.exit_code == 1
    assert f"{file}:2: number 2 of process" in result.stdout
    result = audit("verify", "--json", file)
    assert result.exit_code == 1
    printed = json.loads(result.stdout)
    assert not printed["in_order"]
    [finding] = printed["findings"]
    place = finding["place"]
    assert (place["file"], place["line"], finding["kind"]) == (str(file), 2, "removed")
    assert printed["chains"][0]["head"]["seq"] == 4


async def test_heads_are_kept_from_run_to_run(file, tmp_path):
    heads = tmp_path / "heads"
    assert audit("verify", file, "--heads", heads).exit_code == 0
    assert heads.read_text() == f"{head_of(records_of(file)[-1])}\n"
    await write_log(file, "call_3")
    assert audit("verify", file, "--heads", heads).exit_code == 0
    kept = heads.read_text()
    assert kept.count("\n") == 2
    put_lines(file, lines_of(file)[:-1])
    result = audit("verify", file, "--heads", heads)
    assert result.exit_code == 1
    assert f"{heads}:2:" in result.stdout
    assert heads.read_text() == kept, "a log with findings replaces nothing"


async def test_key_comes_from_the_option_or_the_environment(tmp_path, key_file):
    file = tmp_path / "audit.jsonl"
    await write_log(file, "call_1", key=KEY)
    assert audit("verify", file, "--key-file", key_file).exit_code == 0
    assert audit("verify", AUDIT_LOG_FILE=str(file), AUDIT_KEY_FILE=str(key_file)).exit_code == 0
    result = audit("verify", file)
    assert result.exit_code == 1
    assert KEY.id in result.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "name a file, or set AUDIT_LOG_FILE"),
        (["{missing}"], "cannot be read"),
        (["{folder}"], "cannot be read"),
        (["{packed}"], "cannot be read"),
        (["{file}", "--key-file", "{missing}"], "--key-file must name a readable file"),
        (["{file}", "--key-file", "{file}"], "--key-file must name a readable file"),
        (["{file}", "--heads", "{file}"], "--heads must have lines PROCESS:SEQ:HASH"),
        (["{file}", "--heads", "{missing}/heads"], "--heads cannot be written"),
    ],
)
def test_unusable_argument_is_named_and_differs_from_a_finding(file, tmp_path, arguments, problem):
    packed = tmp_path / "audit.jsonl.gz"
    packed.write_bytes(b"\x1f\x8b no gzip")
    names = {"file": file, "missing": tmp_path / "missing", "folder": tmp_path, "packed": packed}
    result = audit("verify", *(argument.format(**names) for argument in arguments))
    assert (result.exit_code, problem in result.stderr) == (2, True), result.output


def shown(*arguments: object, file: Path) -> list[str]:
    result = audit("show", file, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


async def put_events(file: Path) -> None:
    """Calls of two users, an hour between them."""
    log = AuditLog(AuditFile(file), required=True, clock=lambda: NOON)
    for number, (user, outcome) in enumerate((("alice", STARTED), ("alice", FAILED), ("bob", STARTED))):
        principal = Principal("https://idaas.example", user)
        call = replace(event(time=NOON + number * 3600), principal=principal, outcome=outcome)
        await log.record(replace(call, request_id=f"{number:016x}", access_identity=AccessIdentity.HUMAN))
    model = replace(event(time=NOON + 9000), action=AuditedAction.MODEL_CALL, tool=None, service=None)
    await log.record(replace(model, model="qwen-plus", input_tokens=12, output_tokens=3, duration=0.5))
    await log.aclose()


@pytest.fixture
async def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    await put_events(path)
    return path


def test_records_are_shown_a_line_each_without_colours_in_a_pipe(events):
    lines = shown(file=events)
    assert len(lines) == 6
    assert lines[1].startswith(
        "2026-11-25T12:00:00.000Z  started    tool_call        alice  request_id=0000000000000000"
        "  access_identity=Human  service=amap  tool=maps_weather  call_id=call_1"
    )
    about = "model=qwen-plus  input_tokens=12  output_tokens=3  duration_ms=500.0"
    assert f"model_call       -  call_id=call_1  {about}" in lines[4]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--user", "alice"], [1, 2]),
        (["--since", "2026-11-25T13:00:00Z"], [2, 3, 4]),
        (["--since", "2026-11-25T14:00:00+01:00", "--until", "2026-11-25T14:00:00Z"], [2]),
        (["--since", str(1_795_608_000 + 3600), "--user", "bob"], [3]),
        (["--tool", "maps_weather", "--outcome", "started"], [1, 3]),
        (["--event", "model_call", "--event", "audit_ended"], [4, 5]),
        (["--request", "0000000000000002"], [3]),
        (["--until", "9000d"], []),
    ],
)
def test_options_choose_records(events, options, numbers):
    lines = shown(file=events)
    assert shown(*options, file=events) == [lines[number] for number in numbers]


def test_json_is_that_of_the_log(events):
    assert shown("--json", "--user", "bob", file=events) == lines_of(events)[3:4]


def test_text_of_the_log_cannot_control_the_terminal(events):
    record = records_of(events)[3] | {
        "tool": "\x1b[2Jcanary\nforged\x7f\u202e",
        "principal": {"sub": "[bold]bob[/]"},
    }
    put_lines(events, [json.dumps(record)])
    [line] = shown(file=events)
    assert "\x1b" not in line
    assert "\x7f" not in line
    assert "canary" in line
    assert "[bold]bob[/]" in line
    assert "\x7f" not in shown("--json", file=events)[0]


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", '{"time":1,"event":"x"}', '{"time":"x","event":"y","principal":"z"}']
)
def test_other_lines_are_counted_and_not_shown(events, text):
    put_lines(events, [text, *lines_of(events)])
    result = audit("show", events)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 6
    assert "1 lines are no audit records" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--since", "yesterday", "--since must be a time"),
        ("--since", "2026-11-25T13:00:00", "--since must name its time zone"),
        ("--until", "1e300", "--until"),
        ("--until", "nan", "--until"),
    ],
)
def test_time_that_is_none_is_named(events, option, value, problem):
    result = audit("show", events, option, value)
    assert (result.exit_code, problem in result.stderr) == (2, True)


def test_missing_file_ends_the_command(tmp_path):
    result = audit("show", tmp_path / "missing")
    assert (result.exit_code, "cannot be read" in result.stderr) == (2, True)


async def test_explanation_names_rules_policy_and_what_had_been_read_and_calls_without_approval(
    tmp_path: Path,
):
    file = tmp_path / "audit.jsonl"
    log = AuditLog(AuditFile(file), required=True)
    ruled, read = Ruled(policy="ab" * 32, rules=("daily", "four-eyes")), ("payroll.payslip: confidential",)
    asked = replace(event("call_1"), action=AuditedAction.APPROVAL_REQUESTED, approval="a" * 32)
    await log.record(replace(asked, ruled=ruled, read=read))
    await log.record(replace(event("call_2"), ruled=replace(ruled, rules=("all",))))
    refused = replace(event("call_4"), outcome=AuditOutcome.REFUSED)
    await log.record(replace(refused, ruled=ruled))
    await log.record(replace(refused, call_id="call_5"))
    await log.record(replace(refused, call_id="call_6", error=IdentityCode.TOKEN_EXCHANGE_FAILED))
    await log.aclose()
    first, second = audit("explain", "call_1", file), audit("explain", "call_2", file)
    shown = f"policy={'ab' * 32}  rules=daily; four-eyes  read=payroll.payslip: confidential"
    assert shown in first.stdout
    assert second.stdout.splitlines()[1:] == ["no approval was required"]
    last = [audit("explain", call, file).stdout.splitlines()[-1] for call in ("call_4", "call_5", "call_6")]
    assert last == [
        "it was refused and not made, by daily; four-eyes",
        "it was refused and not made: the policy of the tool denies it, or its arguments do not fit",
        "it was refused and not made: token_exchange_failed (docs/errors.md says what to do)",
    ]
    assert (audit("explain", "call_3", file).exit_code, audit("explain", "call_1").exit_code) == (2, 2)
