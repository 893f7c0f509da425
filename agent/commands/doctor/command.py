"""`idaas-agent doctor`: checks each dependency, and prints the cause and the remedy of each failure."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent.commands.help_panels import RUN, listed_in
from agent.commands.terminal import (
    ENV_FILE,
    environment,
    export_for_sdks,
    for_printing_command,
    out,
    print_misspelt,
    print_overridden,
    print_sandbox_hint,
    users_token,
)
from identity.errors import ConfigurationError
from identity.printable import printable_json
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from agent.commands.doctor.finding import Finding

FAILED: Final = 1
NOT_CHECKED: Final = 3
_MARKS: Final = {"ok": "[green]ok[/]     ", "failed": "[red]failed[/] ", "skipped": "[dim]skipped[/]"}


@listed_in(RUN)
def doctor(
    env_file: ENV_FILE = None,
    page: Annotated[
        str | None, typer.Option(metavar="URL", help="Check that the page at this address may call it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Checks the configuration and every dependency, step by step.

    Exit status 1 if a step failed, 3 if none did but some could not be checked without a user's access token.
    In Human identity, set IDAAS_AGENT_ACCESS_TOKEN to one to check the steps that need it.
    """
    variables = for_printing_command(environment(env_file))
    export_for_sdks(variables)
    print_misspelt(variables)
    print_overridden(env_file)
    findings = asyncio.run(_examine(variables, page, show=not as_json))
    failures = [finding for finding in findings if finding.error is not None]
    if as_json:
        steps = [finding.members() for finding in findings]
        typer.echo(printable_json({"ok": not failures, "steps": steps}))
    else:
        _sum_up(findings, failures)
        if failures:
            print_sandbox_hint(env_file)
    raise typer.Exit(_exit_status(findings))


def _exit_status(findings: "list[Finding]") -> int:
    """0 says that all was checked that this configuration needs."""
    from agent.commands.doctor.examination import USERS_TOKEN

    if any(finding.error is not None for finding in findings):
        return FAILED
    if any(finding.step == USERS_TOKEN and finding.outcome == "skipped" for finding in findings):
        return NOT_CHECKED
    return 0


async def _examine(variables: dict[str, str], page: str | None, *, show: bool) -> "list[Finding]":
    from agent.commands.doctor.examination import diagnose

    token = users_token()
    presented = Secret(token) if token else None
    findings = []
    async for finding in diagnose(variables, presented, page=page):
        findings.append(finding)
        if show:
            show_finding(finding)
    return findings


def show_finding(finding: "Finding") -> None:
    """Prints one step."""
    out.print(_MARKS[finding.outcome], end=" ", markup=True)
    out.print(f"{finding.step}:", end=" ")
    faults = finding.error.faults if isinstance(finding.error, ConfigurationError) else ()
    if len(faults) > 1:
        out.print(f"{len(faults)} faults")
    else:
        out.print(finding.detail)
    for line in finding.lines():
        out.print(f"          {line}")


def _sum_up(findings: "list[Finding]", failures: "list[Finding]") -> None:
    from agent.commands.doctor.examination import USERS_TOKEN

    out.print()
    if failures:
        out.print(f"{len(failures)} of {len(findings)} steps failed. Fix the first failure and run it again.")
    elif skipped := [finding.step for finding in findings if finding.outcome == "skipped"]:
        out.print(f"All executed steps succeeded; {len(skipped)} steps were skipped.")
    else:
        out.print("All steps succeeded.")
    for finding in findings:
        if finding.step == USERS_TOKEN and finding.remedy:
            out.print("Not checked: AGENT_AUDIENCE and AGENT_SCOPE, for which users' tokens must be.")
            out.print(f"To check them, {finding.remedy}.")
