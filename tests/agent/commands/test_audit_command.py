"""`idaas-agent audit`, by Typer's runner."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agent.cli import app
from tests.agent.audit.audit_lines import KEY, lines_of, put_lines, records_of, write_log

pytestmark = pytest.mark.promise("on-record")


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


def test_log_in_order_is_verified_and_its_latest_line_printed(file):
    result = audit("verify", file)
    assert result.exit_code == 0
    last = records_of(file)[-1]
    assert f"head {last['seq']}:{last['hash']}" in result.stdout
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
    assert (finding["file"], finding["line"], finding["kind"]) == (str(file), 2, "removed")
    assert printed["processes"][0]["head"]["seq"] == 4


def test_printed_head_is_expected_by_a_later_run(file):
    last = records_of(file)[-1]
    head = f"{last['seq']}:{last['hash']}"
    assert audit("verify", file, "--expect", head).exit_code == 0
    put_lines(file, lines_of(file)[:-1])
    assert audit("verify", file).exit_code == 0
    result = audit("verify", file, "--expect", head)
    assert result.exit_code == 1
    assert head in result.stdout


async def test_heads_are_kept_from_run_to_run(file, tmp_path):
    heads = tmp_path / "heads"
    assert audit("verify", file, "--heads", heads).exit_code == 0
    assert heads.read_text().count("\n") == 1
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
        (["{file}", "--expect", "0:abc"], "--expect must be SEQ:HASH"),
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
