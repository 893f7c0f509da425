"""Schemathesis's own engine, with all of its checks, over the whole of `/openapi.json`."""

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.referees.referee import Case
from tests.referees.served_agent import served_agent

_EXAMPLES: Final = "10"
_SEED: Final = "1"
_MOST: Final = 700
"""Characters of a failure."""


def run(folder: Path) -> Iterable[Case]:
    """A case is what one check says of one operation."""
    with served_agent() as agent, tempfile.TemporaryDirectory() as reports:
        report = Path(reports) / "report.ndjson"
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{agent.url}/openapi.json"]
        command += ["--header", f"Authorization: {agent.headers()['Authorization']}"]
        command += ["--max-examples", _EXAMPLES, "--seed", _SEED, "--continue-on-failure", "--no-color"]
        command += ["--suppress-health-check", "all", "--report-ndjson-path", str(report)]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, cwd=reports)
        yield from _cases(report)


def _cases(report: Path) -> Iterator[Case]:
    """The first failure of each check of each operation."""
    faults: dict[tuple[str, str], str] = {}
    with report.open(encoding="utf-8") as lines:
        for line in lines:
            ((kind, event),) = json.loads(line).items()
            if kind == "NonFatalError":
                faults.setdefault((event["label"], "error"), str(event["value"]))
            if kind == "ScenarioFinished":
                _note(event["recorder"], faults)
    for (label, check), fault in sorted(faults.items()):
        yield Case(check, label, fault)


def _note(recorder: dict[str, Any], faults: dict[tuple[str, str], str]) -> None:
    for case_id, checks in recorder.get("checks", {}).items():
        for check in checks:
            found = _failure(check, recorder["interactions"].get(case_id, {}))
            key = recorder["label"], check["name"]
            faults[key] = faults.get(key) or found


def _failure(check: dict[str, Any], interaction: dict[str, Any]) -> str:
    """What the check says, and the request, on one line."""
    if check["status"] == "success":
        return ""
    request = interaction.get("request", {})
    body = base64.b64decode(request.get("body", {}).get("$base64", "")).decode(errors="replace")
    failure = check.get("failure_info", {}).get("failure", {})
    said = f"{failure.get('title', '')}. {failure.get('message', '')}"
    response = interaction.get("response") or {}
    sent = f"{request.get('method')} {urlsplit(request.get('uri', '')).path} {body}"
    found = f"{said} Found {response.get('status_code')}: {sent}"
    return f"{' '.join(found.split())[:_MOST]} ({_code(response)})"


def _code(response: dict[str, Any]) -> str:
    """The code of the error that the agent has responded with."""
    content = base64.b64decode((response.get("content") or {}).get("$base64", ""))
    try:
        return str(json.loads(content)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
