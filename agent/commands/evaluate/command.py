"""`idaas-agent eval`: the command and its report."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.evaluate.cases import CaseFaultsError, read_cases
from agent.commands.help_panels import DECIDE, listed_in
from agent.commands.terminal import (
    ENV_FILE,
    EnvFiles,
    environment,
    for_printing_command,
    out,
    settings_or_stop,
    stop,
)

if TYPE_CHECKING:
    from agent.commands.evaluate.cases import Cases
    from agent.commands.evaluate.evaluation import Outcome
    from agent.composition.agent import Agent


@listed_in(DECIDE)
def evaluate(
    cases: Annotated[Path, typer.Argument(help="The file of cases, such as cases.toml.")],
    record: Annotated[
        bool,
        typer.Option("--record", help="Ask the model of the variables for answers that are not recorded."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Runs the cases of a file, with stand-ins of its services, and reports calls, questions, rights, tokens.

    Exit status 1 if a case did not do what it expects. Variables are needed only if the configured model is
    asked: with --record, or by cases whose answers are neither scripted nor recorded.
    """
    from agent.commands.evaluate.evaluation import needs_model

    try:
        read = read_cases(cases)
        if record and read.recorded is None:
            stop(f"{cases} names no file of recorded answers", 'recorded = "answers.json" names one')
        if record or needs_model(read):
            outcomes = asyncio.run(_with_model(read, cases.parent, env_file))
        else:
            outcomes = asyncio.run(_outcomes(read, cases.parent))
    except CaseFaultsError as error:
        stop("\n".join(error.faults), "docs/evaluate.md has an example")
    if as_json:
        out.print(json.dumps(_report(outcomes), indent=2, ensure_ascii=False))
    else:
        _show(outcomes)
    if not all(outcome.is_right for outcome in outcomes):
        raise typer.Exit(1)


async def _with_model(cases: "Cases", folder: Path, env_file: EnvFiles) -> "list[Outcome]":
    """Runs the cases with the model of the variables, whose key the agent obtains as itself."""
    from agent.composition.agent import Agent

    settings = settings_or_stop(for_printing_command(environment(env_file)), env_file)
    async with aclosing(Agent(settings)) as agent:
        return await _outcomes(cases, folder, agent)


async def _outcomes(cases: "Cases", folder: Path, agent: "Agent | None" = None) -> "list[Outcome]":
    from agent.commands.evaluate.evaluation import Evaluation

    model = None if agent is None else agent.model
    key = None if agent is None else await agent.model_key(None)
    evaluation = Evaluation(cases, folder, model, key)
    return [await evaluation.run(case) for case in cases.cases]


def _report(outcomes: "Sequence[Outcome]") -> dict[str, object]:
    listed = [{"ok": outcome.is_right, **asdict(outcome)} for outcome in outcomes]
    return {"cases": listed, "totals": _totals(outcomes)}


def _totals(outcomes: "Sequence[Outcome]") -> dict[str, object]:
    rights = Counter(whose for outcome in outcomes for whose in outcome.rights)
    return {
        "cases": len(outcomes),
        "failed": sum(not outcome.is_right for outcome in outcomes),
        "calls": sum(len(outcome.calls) for outcome in outcomes),
        "rights": dict(sorted(rights.items())),
        "asked": sum(len(outcome.asked) for outcome in outcomes),
        "model_requests": sum(outcome.model_requests for outcome in outcomes),
        "tokens_read": sum(outcome.tokens_read for outcome in outcomes),
        "tokens_written": sum(outcome.tokens_written for outcome in outcomes),
    }


def _show(outcomes: "Sequence[Outcome]") -> None:
    for outcome in outcomes:
        out.print(f"{'ok    ' if outcome.is_right else 'FAILED'}  {outcome.name}")
        called = [f"{name} as {whose}" for name, whose in zip(outcome.calls, outcome.rights, strict=True)]
        asked = f"asked {', '.join(outcome.asked) or 'nothing'}"
        used = _used(outcome.model_requests, outcome.tokens_read, outcome.tokens_written)
        out.print(f"        {'; '.join([', '.join(called) or 'no call', asked, used])}")
        for fault in outcome.faults:
            out.print(f"        {fault}", style="red")
    totals = _totals(outcomes)
    used = _used(totals["model_requests"], totals["tokens_read"], totals["tokens_written"])
    out.print(
        f"cases: {totals['cases']}, failed: {totals['failed']}; calls: {totals['calls']};"
        f" questions: {totals['asked']}; {used}"
    )


def _used(requests: object, read: object, written: object) -> str:
    return f"requests of the model: {requests}, tokens: {read} read, {written} written"
