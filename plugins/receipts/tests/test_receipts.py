"""The commands of receipts, with logs that the agent's audit log has written."""

import asyncio
import json
import os
import re
import runpy
import stat
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from agent.commands.command_line import app
from identity.audit.chain import AuditKey
from identity.audit.event import AuditedAction, AuditOutcome, Ruled
from identity.audit.file_destination import AuditFile
from identity.audit.log import AuditLog
from identity.principal import AccessIdentity, Principal
from plugins.receipts.note import Checkpoint
from plugins.receipts.receipt import ReceiptError, about_call
from plugins.receipts.signed_log import SignedLog, SignedState
from plugins.receipts.unsigned_lines import unsigned_lines
from tests.agent.operations.audit.audit_lines import (
    FORMER_KEY,
    KEY,
    event,
    forged,
    lines_of,
    put_lines,
    write_log,
)

pytestmark = pytest.mark.promise("on-record")

NAME = "agent.example.com/audit"
PAGE = Path(__file__).parents[1] / "README.md"
[VERIFIER] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass
class Operator:
    """Types commands, with the variables of a log and its signing key."""

    folder: Path
    variables: dict[str, str]

    @property
    def file(self) -> Path:
        return self.folder / "audit.jsonl"

    @property
    def log(self) -> SignedLog:
        return SignedLog(self.folder / "audit.jsonl.signed", NAME)

    def types(self, *words: object, **others: str) -> Result:
        environment: dict[str, Any] = {"COLUMNS": "500", "AUDIT_KEY_FILE": "", **self.variables, **others}
        return CliRunner().invoke(app, ["audit", *map(str, words)], env=environment)

    def signs(self, *words: object, **others: str) -> str:
        result = self.types("sign", *words, **others)
        assert result.exit_code == 0, result.output
        return result.stdout

    def size(self) -> int:
        return self.log.state().tree.size

    def receipt(self, call: str, *words: object) -> Path:
        result = self.types("receipt", call, *words)
        assert result.exit_code == 0, result.output
        file = self.folder / f"{call}.json"
        file.write_text(result.stdout)
        return file

    def verifies(self, file: Path, key: str | None = None) -> Result:
        words = ["audit", "verify-receipt", str(file), "--key", key or self.log.keys()[-1]]
        return CliRunner().invoke(app, words, env={**dict.fromkeys(os.environ), "COLUMNS": "500"})


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    (tmp_path / "signing.pem").write_text(pem(Ed25519PrivateKey.generate()))
    names = {"AUDIT_LOG_FILE": "audit.jsonl", "AUDIT_SIGNING_KEY_FILE": "signing.pem"}
    variables = {name: str(tmp_path / file) for name, file in names.items()}
    return Operator(tmp_path, variables | {"AUDIT_SIGNING_NAME": NAME})


async def put_calls(file: Path) -> None:
    """A call that Bob approved for Alice, another of hers, and one of Carol with the same id as that."""
    log = AuditLog(AuditFile(file), required=True)
    alice, bob, carol = (Principal("https://idaas.example", user) for user in ("alice", "bob", "carol"))
    ruled = Ruled(policy="ab" * 32, rules=("four-eyes",))
    call = replace(event("call_1"), principal=alice, access_identity=AccessIdentity.HUMAN, ruled=ruled)
    call = replace(call, approval="a" * 32, arguments_digest="cd" * 32)
    await log.record(replace(call, action=AuditedAction.APPROVAL_REQUESTED))
    await log.record(event("call_9"))
    await log.record(replace(call, action=AuditedAction.APPROVAL_DECIDED, principal=bob))
    await log.record(call)
    await log.record(replace(call, outcome=AuditOutcome.SUCCEEDED))
    await log.record(replace(event("call_2"), principal=alice))
    await log.record(replace(event("call_2"), principal=carol))
    await log.aclose()


def documented(file: Path, key: str) -> str:
    """What the lines of the page print."""
    arguments, sys.argv = sys.argv, ["verify.py", str(file), key]
    program = file.with_name("verify.py")
    program.write_text(VERIFIER)
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            runpy.run_path(str(program))
    finally:
        sys.argv = arguments
    return printed.getvalue()


CALL = {
    "event": "tool_call",
    "call_id": "call_1",
    "time": "t",
    "service": "bank",
    "tool": "pay",
    "arguments_digest": "ab",
    "principal": {"iss": "https://one.example", "sub": "alice"},
}


@pytest.mark.parametrize(
    "other",
    [
        {"service": "shop"},
        {"tool": "lookup"},
        {"arguments_digest": "cd"},
        {"principal": {"iss": "https://two.example", "sub": "alice"}},
    ],
)
def test_receipt_does_not_mix_calls_that_have_one_id(other: dict[str, Any]) -> None:
    assert about_call([CALL, CALL], "call_1", "alice") == [CALL, CALL]
    with pytest.raises(ReceiptError):
        about_call([CALL, CALL | other], "call_1", "alice")


@pytest.mark.parametrize("key", [None, FORMER_KEY])
async def test_line_without_a_key_of_the_log_is_reported_and_not_signed(
    operator: Operator, key: AuditKey | None
) -> None:
    await write_log(operator.file, "call_1", key=key)
    unsigned = unsigned_lines([operator.file], SignedState(), [KEY])
    assert not unsigned.leaves
    assert len(unsigned.findings) == len(lines_of(operator.file))
    assert "AUDIT_KEY_FILE" in unsigned.findings[0]


async def test_receipt_with_a_line_twice_is_refused(operator: Operator) -> None:
    await put_calls(operator.file)
    operator.signs()
    receipt = operator.receipt("call_1")
    said = json.loads(receipt.read_text())
    said["records"].append(said["records"][-1])
    receipt.write_text(json.dumps(said))
    assert "a line is in it twice" in operator.verifies(receipt).output
    with pytest.raises(AssertionError):
        documented(receipt, operator.log.keys()[0])


async def test_receipt_proves_who_asked_who_approved_and_the_call_without_the_agent(
    operator: Operator,
) -> None:
    await put_calls(operator.file)
    assert operator.signs().startswith(f"{NAME}\n9\n")
    receipt = operator.receipt("call_1")
    events = [json.loads(record["line"]) for record in json.loads(receipt.read_text())["records"]]
    assert [(line["event"], line["principal"]["sub"]) for line in events] == [
        ("approval_requested", "alice"),
        ("approval_decided", "bob"),
        ("tool_call", "alice"),
        ("tool_call", "alice"),
    ]
    verified = operator.verifies(receipt)
    assert verified.exit_code == 0, verified.output
    for shown in ("bob", "Human", "rules=four-eyes", "cd" * 32, "ab" * 32, "a log of 9 lines"):
        assert shown in verified.stdout
    assert "approval_decided  bob" in documented(receipt, operator.log.keys()[0])


async def test_documented_program_verifies_a_call_without_a_caller(operator: Operator) -> None:
    await put_calls(operator.file)
    operator.signs()
    printed = documented(operator.receipt("call_9"), operator.log.keys()[0])
    assert printed.split()[2:4] == ["tool_call", "None"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda receipt: receipt["records"][1].update(line=receipt["records"][2]["line"]), "not in the tree"),
        (lambda receipt: receipt["records"][0].update(index=0), "not in the tree"),
        (lambda receipt: receipt["records"][0].update(index=True), "form of a receipt"),
        (lambda receipt: receipt["records"][0].update(index=90), "does not fit"),
        (lambda receipt: receipt["records"][0]["proof"].pop(), "does not fit"),
        (lambda receipt: receipt.update(call_id="call_2"), "no record is of a call"),
        (lambda receipt: receipt.update(records=[]), "no record is of a call"),
        (lambda receipt: receipt.update(receipt=2), "another one"),
        (lambda receipt: receipt.pop("checkpoint"), "form of a receipt"),
        (
            lambda receipt: receipt.update(checkpoint=receipt["checkpoint"].replace("\n9\n", "\n8\n")),
            "is wrong",
        ),
    ],
)
async def test_receipt_that_was_changed_proves_nothing(
    operator: Operator, change: Callable[[dict[str, Any]], object], why: str
) -> None:
    await put_calls(operator.file)
    operator.signs()
    file = operator.receipt("call_1")
    receipt = json.loads(file.read_text())
    change(receipt)
    file.write_text(json.dumps(receipt))
    result = operator.verifies(file)
    assert (result.exit_code, why in result.output) == (1, True), result.output
    if why not in ("no record is of a call", "another one", "form of a receipt"):
        with pytest.raises((AssertionError, IndexError, InvalidSignature, KeyError, ValueError)):
            documented(file, operator.log.keys()[0])


async def test_line_of_another_call_is_no_part_of_a_receipt(operator: Operator) -> None:
    await put_calls(operator.file)
    operator.signs()
    file, other = operator.receipt("call_1"), operator.receipt("call_9")
    receipt = json.loads(file.read_text())
    receipt["records"] += json.loads(other.read_text())["records"]
    file.write_text(json.dumps(receipt))
    result = operator.verifies(file)
    assert (result.exit_code, "a record is not about the call" in result.output) == (1, True)


async def test_receipt_of_another_log_or_key_proves_nothing(operator: Operator) -> None:
    await put_calls(operator.file)
    operator.signs()
    receipt = operator.receipt("call_1")
    other = Ed25519PrivateKey.generate()
    (operator.folder / "other.pem").write_text(pem(other))
    printed = operator.types("keys", AUDIT_SIGNING_KEY_FILE=str(operator.folder / "other.pem")).stdout.split()
    assert printed[0] == operator.log.keys()[0]
    result = operator.verifies(receipt, printed[1])
    assert (result.exit_code, "not signed by the key" in result.output) == (1, True)


async def test_call_of_several_people_needs_the_name_of_one(operator: Operator) -> None:
    await put_calls(operator.file)
    operator.signs()
    result = operator.types("receipt", "call_2")
    assert (result.exit_code, "calls of 2 people" in result.output) == (2, True)
    receipt = operator.receipt("call_2", "--user", "carol")
    assert "alice" not in receipt.read_text()
    assert operator.verifies(receipt).exit_code == 0


async def test_call_of_two_people_with_one_sub_needs_the_issuer_of_one(operator: Operator) -> None:
    issuers = ("https://one.example", "https://two.example")
    log = AuditLog(AuditFile(operator.file), required=True)
    for issuer in issuers:
        await log.record(replace(event("call_1"), principal=Principal(issuer, "alice")))
    await log.aclose()
    operator.signs()
    result = operator.types("receipt", "call_1", "--user", "alice")
    assert result.exit_code == 2
    for issuer in issuers:
        assert f"--user alice --issuer {issuer}" in result.output
        receipt = operator.receipt("call_1", "--user", "alice", "--issuer", issuer)
        assert [other for other in issuers if other in receipt.read_text()] == [issuer]
        assert operator.verifies(receipt).exit_code == 0


async def test_line_that_is_not_signed_yet_or_was_changed_since_has_no_receipt(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    await write_log(operator.file, "call_2")
    result = operator.types("receipt", "call_2")
    assert (result.exit_code, "is not signed yet" in result.output) == (1, True)
    put_lines(
        operator.file, [line.replace("maps_weather", "pay_salaries") for line in lines_of(operator.file)]
    )
    result = operator.types("receipt", "call_1")
    assert (result.exit_code, "is none of the lines that were signed" in result.output) == (1, True)


async def test_each_line_is_signed_once_over_rotations_and_processes(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    await write_log(operator.file, "call_2", key=KEY)
    operator.file.rename(operator.folder / "audit.jsonl.1")
    await write_log(operator.file, "call_3")
    operator.signs()
    operator.signs()
    assert operator.size() == 9
    for rotated in ("audit.jsonl.1", "audit.jsonl"):
        assert operator.verifies(operator.receipt("call_2", operator.folder / "audit.jsonl.1")).exit_code == 0
        assert (operator.folder / rotated).exists()


async def test_part_of_a_line_waits_for_its_end_and_delays_no_other(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    whole = operator.file.read_bytes()
    operator.file.write_bytes(whole[:-10])
    operator.signs()
    assert operator.size() == 2
    operator.file.write_bytes(whole)
    operator.signs()
    assert operator.size() == 3
    operator.file.write_bytes(whole + b'{"time":"2026-11-30T')  # a process was killed while it wrote
    await write_log(operator.file, "call_2")
    operator.signs()
    assert operator.size() == 6


@pytest.mark.parametrize(
    ("tampered", "finding"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], "does not follow number 2"),
        (
            lambda lines: [*lines[:2], lines[2].replace("call_2", "call_7"), *lines[3:]],
            "does not match its hash",
        ),
        (lambda lines: [*lines[:2], forged(lines[2], previous="00" * 32), *lines[3:]], "does not follow"),
    ],
)
async def test_lines_that_were_removed_or_changed_before_they_were_signed_are_reported(
    operator: Operator, tampered: Callable[[list[str]], list[str]], finding: str
) -> None:
    await write_log(operator.file, "call_1", "call_2", "call_3")
    put_lines(operator.file, tampered(lines_of(operator.file)))
    result = operator.types("sign")
    assert (result.exit_code, finding in result.output) == (1, True), result.output


async def test_forged_line_without_the_key_of_the_log_is_not_signed(operator: Operator) -> None:
    key_file = operator.folder / "key"
    key_file.write_text("k" * 32)
    await write_log(operator.file, "call_1", key=KEY)
    lines = lines_of(operator.file)
    record = json.loads(lines[1]) | {"tool": "pay_salaries"}
    put_lines(operator.file, [lines[0], json.dumps(record, separators=(",", ":")), lines[2]])
    result = operator.types("sign", AUDIT_KEY_FILE=str(key_file))
    assert (result.exit_code, "does not match its hash" in result.output) == (1, True)
    assert operator.size() == 2


async def test_inserted_line_with_the_number_of_a_signed_one_is_not_signed(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    place = operator.file.stat().st_size
    put_lines(operator.file, [*lines_of(operator.file), forged(lines_of(operator.file)[1], tool="pay")])
    result = operator.types("sign")
    assert result.exit_code == 1
    assert f"{operator.file}, byte {place}: number 2 of process" in result.output
    assert "is not signed: number 3 is" in result.output
    assert operator.size() == 3


async def test_lines_after_one_with_too_high_a_number_are_refused_aloud_and_counted(
    operator: Operator,
) -> None:
    await write_log(operator.file, "call_1", "call_2", "call_3")
    lines = lines_of(operator.file)
    put_lines(operator.file, [*lines[:2], forged(lines[1], seq=1_000_000), *lines[2:]])
    result = operator.types("sign")
    assert result.exit_code == 1
    assert "number 1000000 of process" in result.output
    assert result.output.count("is not signed: number 1000000 is") == len(lines[2:])
    assert "3 lines of this log were refused until now" in result.output
    assert operator.size() == 3
    await write_log(operator.file, "call_4")
    again = operator.types("sign")
    assert (again.exit_code, "3 lines of this log were refused until now" in again.output) == (0, True)
    assert operator.size() == 6
    unsigned = operator.types("receipt", "call_2")
    assert (unsigned.exit_code, "audit sign has refused it" in unsigned.output) == (1, True)


async def test_copy_of_signed_lines_is_read_again_without_a_word(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    lines = lines_of(operator.file)
    put_lines(operator.folder / "audit.jsonl.copy", [*lines[1:], lines[1]])
    operator.signs()
    assert operator.size() == 3
    put_lines(operator.folder / "audit.jsonl.later", lines[2:])
    await write_log(operator.file, "call_2")
    operator.signs()
    assert operator.size() == 6


async def test_large_log_is_signed_in_parts(operator: Operator) -> None:
    await write_log(operator.file, *(f"call_{number}" for number in range(10)))
    state = SignedState()
    leaves: list[bytes] = []
    more = True
    while more:
        lines = unsigned_lines(
            [operator.file], replace(state, tree=state.tree.with_leaves(leaves)), at_once=4
        )
        leaves = [*leaves, *lines.leaves]
        state, more = lines.state, lines.more
        assert len(lines.leaves) <= 4
    operator.signs()
    assert operator.log.leaves(12) == leaves


async def test_rotation_of_the_key_overlaps_and_former_keys_stay_published(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    [former] = operator.log.keys()
    first = operator.receipt("call_1").read_text()
    file = operator.folder / "signing.pem"
    file.write_text(pem(Ed25519PrivateKey.generate()) + file.read_text())
    operator.signs()
    during = operator.receipt("call_1")
    new = operator.log.keys()[1]
    assert operator.verifies(during, former).exit_code == operator.verifies(during, new).exit_code == 0
    file.write_text(
        file.read_text().partition("-----END PRIVATE KEY-----\n")[0] + "-----END PRIVATE KEY-----\n"
    )
    await write_log(operator.file, "call_2")
    operator.signs()
    after = operator.receipt("call_1")
    assert (operator.verifies(after, former).exit_code, operator.verifies(after, new).exit_code) == (1, 0)
    after.write_text(first)
    assert operator.verifies(after, str(operator.log.folder / "keys")).exit_code == 0
    assert operator.log.keys() == [former, new]


def program(file: Path, text: str) -> str:
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(stat.S_IRWXU)
    return str(file)


def by_command(operator: Operator, key: Ed25519PrivateKey, text: str) -> dict[str, str]:
    """Variables with which `text`, a program, signs."""
    public = operator.folder / "public.pem"
    public.write_text(public_pem(key))
    command = program(operator.folder / "sign.py", text)
    own = {"AUDIT_SIGNING_COMMAND": command, "AUDIT_SIGNING_PUBLIC_KEY_FILE": str(public)}
    return own | {"AUDIT_SIGNING_KEY_FILE": ""}


SIGNS = """import base64, sys
from cryptography.hazmat.primitives.serialization import load_pem_private_key
key = load_pem_private_key(open({file!r}, "rb").read(), None)
print(base64.b64encode(key.sign(sys.stdin.buffer.read())).decode())
"""


async def test_command_signs_in_place_of_a_file(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    file = operator.folder / "signing.pem"
    key = Ed25519PrivateKey.generate()
    file.write_text(pem(key))
    operator.signs(**by_command(operator, key, SIGNS.format(file=str(file))))
    assert operator.verifies(operator.receipt("call_1")).exit_code == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import sys; sys.exit('canary')", "ended with status 1"),
        ("print('no base64')", "signature in base64"),
        ("print('AAAA')", "not by the public key"),
    ],
)
async def test_command_that_does_not_sign_changes_nothing_and_is_not_quoted(
    operator: Operator, text: str, why: str
) -> None:
    await write_log(operator.file, "call_1")
    result = operator.types("sign", **by_command(operator, Ed25519PrivateKey.generate(), text))
    assert (result.exit_code, why in result.output, "canary" in result.output) == (2, True, False)
    assert operator.log.state() == SignedState()
    operator.signs()
    assert operator.size() == 3


def killed(operator: Operator, *words: str, **variables: str) -> int:
    """The signal by which a process ends that types the command."""
    process = os.fork()
    if process == 0:
        try:
            operator.types(*words, **variables)
        finally:
            os._exit(0)
    _, status = os.waitpid(process, 0)
    return os.WTERMSIG(status)


def test_process_that_is_killed_before_it_has_signed_loses_nothing(operator: Operator) -> None:
    asyncio.run(write_log(operator.file, "call_1"))
    operator.signs()
    asyncio.run(write_log(operator.file, "call_2"))
    before = operator.log.state()
    kills = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
    assert killed(operator, "sign", **by_command(operator, Ed25519PrivateKey.generate(), kills)) == 9
    assert operator.log.state() == before
    leaves = operator.log.folder / "leaves"
    assert leaves.stat().st_size == 6 * 32, "it was killed between the leaves and the checkpoint"
    leaves.write_bytes(leaves.read_bytes()[: 3 * 32] + b"\0" * 13)  # and another one while it wrote
    operator.signs()
    assert operator.size() == 6
    for call in ("call_1", "call_2"):
        assert operator.verifies(operator.receipt(call)).exit_code == 0


async def test_two_processes_do_not_sign_one_log(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    with operator.log.locked():
        result = operator.types("sign")
    assert (result.exit_code, "another process signs" in result.output) == (2, True)


async def test_folder_of_another_log_is_refused(operator: Operator) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    await write_log(operator.file, "call_2")
    result = operator.types("sign", AUDIT_SIGNING_NAME="other.example/audit")
    assert (result.exit_code, f'has the log "{NAME}"' in result.output) == (2, True)


@pytest.mark.parametrize(
    ("words", "variables", "why"),
    [
        (["sign"], {"AUDIT_SIGNING_NAME": ""}, "AUDIT_SIGNING_NAME must be set"),
        (["sign"], {"AUDIT_SIGNING_KEY_FILE": ""}, "set AUDIT_SIGNING_KEY_FILE"),
        (["sign"], {"AUDIT_SIGNING_KEY_FILE": "{folder}/missing"}, "one or two private keys of Ed25519"),
        (["sign"], {"AUDIT_SIGNING_KEY_FILE": "{folder}/p256.pem"}, "one or two private keys of Ed25519"),
        (["sign"], {"AUDIT_LOG_FILE": ""}, "name a file"),
        (["sign"], {"AUDIT_LOG_FILE": "{folder}/missing"}, "the log is not signed"),
        (["receipt", "call_7"], {}, 'no record is of a call "call_7"'),
        (["receipt", "call_1", "{folder}/missing"], {}, "missing"),
        (["verify-receipt", "{folder}/missing", "--key", "a"], {}, "missing"),
        (["verify-receipt", "{folder}/audit.jsonl", "--key", "a+b+c"], {}, "public key"),
    ],
)
async def test_what_cannot_be_used_is_named(
    operator: Operator, words: list[str], variables: dict[str, str], why: str
) -> None:
    curve = generate_private_key(SECP256R1())
    other_kind = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (operator.folder / "p256.pem").write_bytes(other_kind)
    await write_log(operator.file, "call_1")
    named = {name: value.format(folder=operator.folder) for name, value in variables.items()}
    result = operator.types(*(word.format(folder=operator.folder) for word in words), **named)
    assert (result.exit_code, why in result.output) == (2, True), result.output


@pytest.mark.parametrize("text", ["", "[]", "{}", "no JSON", '{"receipt": 1, "call_id": 1, "checkpoint": 5}'])
async def test_text_that_is_no_receipt_is_refused(operator: Operator, text: str) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    file = operator.folder / "receipt.json"
    file.write_text(text)
    assert operator.verifies(file).exit_code == 1


async def test_private_key_is_in_no_file_of_the_folder_and_the_public_ones_are_for_all(
    operator: Operator,
) -> None:
    await write_log(operator.file, "call_1")
    operator.signs()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in operator.log.folder.iterdir()}
    assert (modes["state.json"], modes["leaves"]) == (0o600, 0o600)
    assert (modes["keys"] | modes["checkpoint"]) & 0o444 == 0o444
    private = (operator.folder / "signing.pem").read_text().splitlines()[1]
    for file in operator.log.folder.iterdir():
        assert private.encode() not in file.read_bytes()
    assert Checkpoint.parse((operator.log.folder / "checkpoint").read_text()).size == 3
