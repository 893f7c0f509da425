"""`idaas-agent stop` and `start`: refuse calls of tools on all replicas, and let them be made again."""

import asyncio
import getpass
import os
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from agent.commands import terminal
from agent.commands.revoke import (
    opened_stores,
    put_revocation,
    require_seen,
    seen_subjects,
    stored_revocations,
)
from agent.commands.terminal import ENV_FILE, err, operator_settings, out
from agent.entry_points import installed_entries
from agent.operations.revocation.store import StoreError
from agent.settings.settings import Settings
from graph.call_steps.stops import CallInProgress
from identity.access_token.revocation import CALLS, STOPPED, Origin, Revocation, Target
from identity.printable import rfc3339

_MAX_REASON: Final = 200
_ANSWER_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.1
_UNCONFIRMED: Final = 3
"""The exit status if a process may not have the stop in force."""
_LATER: Final = 0.001
"""Seconds by which a decision is later than the one that it replaces, whatever the clocks of the machines."""

_Service = Annotated[str | None, typer.Argument(help="A service: the calls of all its tools.")]
_Tool = Annotated[
    str | None, typer.Option("--tool", help="One tool, by its name, or as service.tool if services share it.")
]
_User = Annotated[
    str | None, typer.Option("--user", help="All calls for one user: their sub, as in the audit log.")
]
_All = Annotated[bool, typer.Option("--all", help="Every call of every tool.")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Why: it is recorded in the audit log.")]


def stop_calls(
    service: _Service = None,
    tool: _Tool = None,
    user: _User = None,
    all_: _All = False,
    reason: _Reason = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what is stopped, and change nothing.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds for the answers of the processes.")
    ] = _ANSWER_SECONDS,
    env_file: ENV_FILE = None,
) -> None:
    """Stops calls of tools now, on every replica, and says which ones go on: they were sent before.

    The people who ask are told. Access tokens stay valid, and the model responds: idaas-agent revoke ends
    access. Exit status 1 if the name is not known here, and 3 if a process has not answered; it is stopped
    all the same.
    """
    settings = operator_settings(env_file)
    if list_:
        _show(settings)
        return
    target, name = _target(service, tool, user, all_=all_)
    seen = seen_subjects(settings) if target is Target.CALLS_OF_USER else None
    stopped = _put(settings, target, name, STOPPED, reason)
    out.print(f"stopped: {_text(target, name)}")
    all_answered = _show_answers(settings, stopped, wait)
    if seen is not None:
        require_seen(name, seen, settings, "stop --user", "stopped no one's calls")
    if target is Target.CALLS_OF_SERVICE:
        _require_service(settings, name)
    if not all_answered:
        raise typer.Exit(_UNCONFIRMED)


def start_calls(
    service: _Service = None,
    tool: _Tool = None,
    user: _User = None,
    all_: _All = False,
    reason: _Reason = None,
    env_file: ENV_FILE = None,
) -> None:
    """Lets calls be made again that idaas-agent stop has stopped, by the same name. Other stops count on."""
    settings = operator_settings(env_file)
    target, name = _target(service, tool, user, all_=all_)
    stops = _stops(settings)
    others = [stop for stop in stops if stop.key != (target, name, Origin.OPERATOR)]
    if len(others) == len(stops):
        terminal.stop(f"not stopped: {_text(target, name)}", "idaas-agent stop --list shows what is")
    _put(settings, target, name, None, reason)
    out.print(f"started: {_text(target, name)}")
    for stop in others:
        out.print(f"still stopped: {_text(stop.target, stop.name)}")


def _target(service: str | None, tool: str | None, user: str | None, *, all_: bool) -> tuple[Target, str]:
    named = {
        Target.CALLS_OF_SERVICE: service,
        Target.CALLS_OF_TOOL: tool,
        Target.CALLS_OF_USER: user,
        Target.ALL_CALLS: "" if all_ else None,
    }
    given = [(target, name) for target, name in named.items() if name is not None]
    if len(given) != 1:
        terminal.stop("exactly one of a service, --tool, --user and --all must be given")
    return given[0]


def _put(
    settings: Settings, target: Target, name: str, until: float | None, reason: str | None
) -> Revocation:
    """Stores and records the decision, which is later than the one before."""
    said = _reason(reason)
    before = [known.changed_at for known in _stored(settings) if (known.target, known.name) == (target, name)]
    changed_at = max([time.time(), *(at + _LATER for at in before)])
    try:
        decision = Revocation(target, name, Origin.OPERATOR, until, changed_at)
    except ValueError as error:
        terminal.stop(str(error))
    put_revocation(settings, decision, said)
    return decision


def _reason(given: str | None) -> str:
    """Who decides, and why."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError):  # this user of the machine has no name
        who = f"uid {os.getuid()}"
    if given is None:
        return who
    if not 0 < len(given) <= _MAX_REASON:
        terminal.stop(f"--reason must have 1 to {_MAX_REASON} characters")
    return f"{who}: {given}"


def _stored(settings: Settings) -> Sequence[Revocation]:
    """The latest decision about each name, also those that let calls be made again."""
    try:
        entries = asyncio.run(stored_revocations(settings)).entries()
        return [entry for entry in entries if entry.target in CALLS]
    except StoreError as error:
        terminal.stop(f"what is stopped cannot be read: {error}")


def _stops(settings: Settings) -> Sequence[Revocation]:
    """What is stopped, the earliest first."""
    stops = [entry for entry in _stored(settings) if entry.until is not None]
    return sorted(stops, key=lambda stop: stop.changed_at)


def _show(settings: Settings) -> None:
    stops = _stops(settings)
    for stop in stops:
        out.print(f"{rfc3339(stop.changed_at, 'seconds')}  {_text(stop.target, stop.name)}")
    if not stops:
        out.print("nothing is stopped")


def _show_answers(settings: Settings, stop: Revocation, seconds: float) -> bool:
    """Which processes have the stop in force, and what goes on in them. Whether all that are known have."""
    try:
        answers, processes = asyncio.run(_answers(settings, stop, seconds))
    except StoreError as error:
        err.print(f"it is stored; which processes have it in force is not known: {error}", style="yellow")
        return False
    number = len(answers)
    out.print(f"in force in {number} {'process' if number == 1 else 'processes'} that answered")
    for calls in answers.values():
        for call in calls:
            out.print(f"goes on: {_call_text(call)}")
    if processes is None:
        return True
    if not processes:
        err.print("no process was seen within an hour", style="yellow")
    silent = processes.keys() - answers.keys()
    for process_id in sorted(silent):
        seen = f"process {process_id}, which was seen {processes[process_id]:.0f} s ago"
        err.print(f"no answer within {seconds:g} s: {seen}; has it ended?", style="yellow")
    return bool(processes) and not silent


async def _answers(
    settings: Settings, stop: Revocation, seconds: float
) -> tuple[Mapping[str, Sequence[CallInProgress]], Mapping[str, float] | None]:
    """What was reported within `seconds`, and the processes that are to report, if they are known."""
    from agent.operations.revocation.configured import stop_reports

    ends = time.monotonic() + seconds
    async with opened_stores(settings) as (stores, redis):
        reports = stop_reports(stores, redis, time.time)
        processes = await reports.processes()
        while True:
            answers = await reports.of(stop)
            all_answered = bool(processes) and answers.keys() >= (processes or {}).keys()
            if all_answered or time.monotonic() >= ends:
                return answers, processes
            await asyncio.sleep(_LOOK_SECONDS)


def _require_service(settings: Settings, name: str) -> None:
    """Stops the command if no service of the settings has the name."""
    if settings.graph is not None:
        return  # a graph of its own may have services that no variable names
    from agent.settings.declared_services import ENTRY_POINTS, declared_services

    if installed_entries(ENTRY_POINTS):
        return  # so may a package
    names = {declared.name for declared in declared_services(settings)}
    if name not in names:
        known = ", ".join(sorted(names)) or "they have none"
        terminal.stop(f"the settings here have no service {name!r}: {known}")


def _text(target: Target, name: str) -> str:
    match target:
        case Target.CALLS_OF_SERVICE:
            return f"the service {name}"
        case Target.CALLS_OF_TOOL:
            return f"the tool {name}"
        case Target.CALLS_OF_USER:
            return f"calls for {name}"
        case _:
            return "all calls"


def _call_text(call: CallInProgress) -> str:
    began = rfc3339(call.began_at, "seconds")
    return (
        f"{call.service}.{call.tool} ({call.effect}) for {call.subject} since {began}, {call.call_id}: it was"
        " sent before, and may take effect"
    )
