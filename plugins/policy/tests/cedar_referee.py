"""Cedar's integration tests through what reads and evaluates a POLICY_FILE.

Rules are split, parsed and evaluated as those of an operator are.
"""

import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cedarpy import Entities, Schema, is_authorized, policies_from_json_str, validate_policies

from plugins.policy import rules
from plugins.policy.decision import permits
from tests.referees.referee import Case


def run(folder: Path) -> Iterable[Case]:
    """The tests that were written by hand, and those that Cedar's fuzzers found."""
    yield from _cases("written by hand", folder, sorted((folder / "tests").rglob("*.json")))
    archive = folder / "corpus-tests.tar.gz"
    if not archive.is_file():
        return
    with tempfile.TemporaryDirectory(prefix="cedar-") as unpacked:
        with tarfile.open(archive) as corpus:
            corpus.extractall(unpacked, filter="data")
        listed = sorted((Path(unpacked) / "corpus-tests").glob("*.json"))
        tests = [file for file in listed if not file.name.endswith(".entities.json")]
        yield from _cases("found by fuzzing", Path(unpacked), tests)


def _cases(group: str, folder: Path, files: Iterable[Path]) -> Iterator[Case]:
    for file in files:
        test = json.loads(file.read_bytes())
        if isinstance(test, dict) and "policies" in test and ("requests" in test or "queries" in test):
            name = str(file.relative_to(folder).with_suffix(""))
            yield from _of_test(group, name, folder, test)


def _of_test(group: str, name: str, folder: Path, test: dict[str, Any]) -> Iterator[Case]:
    text = (folder / test["policies"]).read_text(encoding="utf-8")
    if test.get("policyFormat") == "json":
        text = policies_from_json_str(text)
    schema = Schema.from_str((folder / test["schema"]).read_text(encoding="utf-8"))
    valid = validate_policies(text, schema).validation_passed
    fault = "" if valid == test["shouldValidate"] else f"valid: {valid}"
    yield Case(group, f"{name}/validation", fault)
    try:
        statements = rules._parsed(list(rules._split(f"{text}\n{rules.END}")))
    except Exception as error:  # noqa: BLE001 - a refusal of the whole file is a fault
        yield Case(group, f"{name}/parsing", str(error))
        return
    forms = {f"policy{number}": statement.form for number, statement in enumerate(statements)}
    document = {"staticPolicies": forms, "templates": {}, "templateLinks": []}
    policies = rules.PolicySet.from_json_str(json.dumps(document))
    entities = Entities.from_json_str((folder / test["entities"]).read_text(encoding="utf-8"), schema)
    for number, request in enumerate(test.get("requests") or test["queries"]):
        yield Case(group, f"{name}/{number}", _fault(request, policies, entities))


def _fault(request: dict[str, Any], policies: Any, entities: Entities) -> str:
    asked = {member: request[member] for member in ("principal", "action", "resource")}
    result = is_authorized({**asked, "context": request["context"]}, policies, entities)
    errors = bool(result.diagnostics.errors)
    reasons = sorted(result.diagnostics.reasons)
    expected_reasons = sorted(request.get("reason", request.get("reasons", [])))
    if errors != bool(request["errors"]):
        return f"errors: {result.diagnostics.errors}"
    if reasons != expected_reasons:
        return f"reasons {reasons}, expected {expected_reasons}"
    if permits(result) != (request["decision"].lower() == "allow"):
        failed = "denied, because a policy fails"
        return failed if errors and result.allowed else f"decided {result.decision}"
    return ""
