"""`idaas-agent doctor`: what works, what does not, and what to do about it."""

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.commands.chat import TOKEN_VARIABLE
from agent.commands.terminal import environment, out
from identity.secret import Secret


def doctor(
    env_file: Annotated[
        Path | None, typer.Option(help="Variables to add, such as .sandbox/agent.env.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Checks configuration and every dependency, step by step. Exit status 1 if a step failed.

    In Human identity set IDAAS_AGENT_ACCESS_TOKEN to a user's access token, so that his steps can be checked.
    """
    logging.basicConfig(level=logging.CRITICAL)
    findings = asyncio.run(_examine(environment(env_file), as_json=as_json))
    well = all(finding["outcome"] != "failed" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": well, "steps": findings}, indent=2, ensure_ascii=False))
    raise typer.Exit(0 if well else 1)


async def _examine(variables: dict[str, str], *, as_json: bool) -> list[dict[str, Any]]:
    from agent.diagnosis import Finding, Outcome, diagnose

    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    marks = {
        Outcome.OK: "[green]ok[/]     ",
        Outcome.FAILED: "[red]failed[/] ",
        Outcome.SKIPPED: "[dim]skipped[/]",
    }
    findings: list[dict[str, Any]] = []

    def show(finding: Finding) -> None:
        out.print(f"{marks[finding.outcome]} {finding.step}:", end=" ")
        out.print(finding.detail, markup=False)
        if finding.error is not None:
            row = finding.error.row
            for name, text in (("symptom", row.symptom), ("cause", row.cause), ("remedy", row.remedy)):
                out.print(f"          {name}: {text}", markup=False)

    async for finding in diagnose(variables, Secret(token) if token else None):
        entry: dict[str, Any] = {"step": finding.step, "outcome": finding.outcome, "detail": finding.detail}
        if finding.error is not None:
            row = finding.error.row
            entry |= {
                "code": finding.error.code,
                "symptom": row.symptom,
                "cause": row.cause,
                "remedy": row.remedy,
            }
        findings.append(entry)
        if not as_json:
            show(finding)
    return findings
