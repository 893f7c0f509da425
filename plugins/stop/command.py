"""`idaas-agent stop` and `start`: refuse calls of tools on all replicas, and let them be made again."""

import asyncio
import getpass
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent.commands import terminal
from agent.commands.help_panels import WITHDRAW, listed_in
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

if TYPE_CHECKING:
    from agent.operations.revocation.stop_reports import StopReport
    from agent.operations.revocation.store import RevocationStore

_MAX_REASON: Final = 200
_ANSWER_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.1
_OFFERED: Final = 10
"""Names that are shown in place of an unknown one."""
_UNCONFIRMED: Final = 3
"""The exit status if a process may not have the stop in force."""
_BESIDE_REDIS: Final = "a machine without an agent is not reached: its applications follow its own file"
_ONE_MACHINE: Final = "other machines are not reached: each follows its own file"
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


@listed_in(WITHDRAW)
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
    access. Exit status 1 if no process knows the name, and 3 if a process has not answered; it is stopped all
    the same.
    """
    settings = operator_settings(env_file)
    if list_:
        _show(settings)
        return
    target, name = _target(service, tool, user, all_=all_)
    _require_stoppable(target, name)
    seen = seen_subjects(settings) if target is Target.CALLS_OF_USER else None
    stopped = _put(settings, target, name, STOPPED, reason)
    out.print(f"stopped: {_text(target, name)}")
    answers = _answers(settings, stopped, wait)
    _show_answers(answers, wait)
    if seen is not None:
        require_seen(name, seen, settings, "stop --user", "stopped no one's calls")
    if target in (Target.CALLS_OF_SERVICE, Target.CALLS_OF_TOOL):
        _require_known(settings, target, name, answers)
    if not answers.are_all:
        raise typer.Exit(_UNCONFIRMED)


@listed_in(WITHDRAW)
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


def _require_stoppable(target: Target, name: str) -> None:
    """Stops the command for the name of a node, which is a service with one of its permissions."""
    service, separator, _ = name.partition("/")
    if separator and target is Target.CALLS_OF_SERVICE:
        terminal.stop(
            f"no service is named {name!r}", f"idaas-agent stop {service}, or --tool with its tools"
        )
    if separator and target is Target.CALLS_OF_TOOL:
        tool = name.rpartition(".")[2]
        remedy = f"idaas-agent stop --tool {service}.{tool}"
        terminal.stop(f"no tool is named {name!r}: permissions are no part of its name", remedy)


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


@dataclass(frozen=True, slots=True)
class _Answers:
    """What processes have said of a stop, by their ids, and how many seconds ago each that is to answer was
    seen. `unreached`: whom the stop does not reach, and the command does not know. `failure`: why the rest is
    not known.
    """

    reports: Mapping[str, "StopReport"]
    processes: Mapping[str, float]
    failure: str | None = None
    unreached: str | None = None

    @property
    def silent(self) -> Sequence[str]:
        """The processes that have not answered."""
        return sorted(self.processes.keys() - self.reports.keys())

    @property
    def are_all(self) -> bool:
        """Whether processes are known, and all of them have answered."""
        return self.failure is None and bool(self.processes) and not self.silent

    @property
    def tools(self) -> Mapping[str, Collection[str]] | None:
        """The tools of each service that processes have; `None`: none has told its tools."""
        told = [report.tools for report in self.reports.values() if report.tools is not None]
        services = {service for tools in told for service in tools}
        if not told:
            return None
        return {service: {name for tools in told for name in tools.get(service, ())} for service in services}


def _answers(settings: Settings, stop: Revocation, seconds: float) -> _Answers:
    try:
        return asyncio.run(_awaited(settings, stop, seconds))
    except StoreError as error:
        return _Answers({}, {}, str(error))


async def _awaited(settings: Settings, stop: Revocation, seconds: float) -> _Answers:
    """What was said within `seconds`; it does not wait longer than for the last process."""
    from agent.operations.revocation.configured import stop_reports

    ends = time.monotonic() + seconds
    async with opened_stores(settings) as (stores, redis):
        reports = stop_reports(stores, redis, time.time)
        processes = await reports.processes()
        unreached = _unreached(stores)
        while True:
            answers = _Answers(await reports.of(stop), processes, unreached=unreached)
            if answers.are_all or time.monotonic() >= ends:
                return answers
            await asyncio.sleep(_LOOK_SECONDS)


def _unreached(stores: Sequence["RevocationStore"]) -> str | None:
    """Whom a stop does not reach; `None`: it reaches all who have the settings of the agents."""
    first = stores[0]
    if first.shared:
        return None
    return _ONE_MACHINE if len(stores) == 1 else _BESIDE_REDIS


def _show_answers(answers: _Answers, seconds: float) -> None:
    """Which processes have the stop in force, and what goes on in them."""
    if answers.failure is not None:
        text = f"it is stored; which processes have it in force is not known: {answers.failure}"
        err.print(text, style="yellow")
        return
    number = len(answers.reports)
    out.print(f"in force in {number} {'process' if number == 1 else 'processes'} that answered")
    for report in answers.reports.values():
        for call in report.calls:
            out.print(f"goes on: {_call_text(call)}")
    if not answers.processes and number:
        err.print("whether there are other processes is not known yet: stop it again", style="yellow")
    elif not answers.processes:
        text = "no process was seen within an hour: does this machine have the variables of the agents?"
        err.print(text, style="yellow")
    if answers.unreached is not None:
        out.print(answers.unreached)
    for process_id in answers.silent:
        seen = f"process {process_id}, which was seen {answers.processes[process_id]:.0f} s ago"
        err.print(f"no answer within {seconds:g} s: {seen}; has it ended?", style="yellow")


def _require_known(settings: Settings, target: Target, name: str, answers: _Answers) -> None:
    """Stops the command if nobody has a service or tool of the name, with the names that there are."""
    is_service = target is Target.CALLS_OF_SERVICE
    tools = answers.tools
    by_settings = _services_of(settings) if is_service else None
    if tools is None and by_settings is None:
        err.print(f"whether there is {_text(target, name)} is not known: no process has told", style="yellow")
        return
    names = set(by_settings or ())
    for service, of_service in (tools or {}).items():
        names |= {service} if is_service else {*of_service, *(f"{service}.{tool}" for tool in of_service)}
    if name in names:
        return
    unlisted = () if is_service else _unlisted(name, tools or {})
    if unlisted:
        text = f"whether there is {_text(target, name)} is not known: {', '.join(unlisted)} has not listed"
        err.print(f"{text} its tools yet", style="yellow")
        return
    who = "the settings here have" if tools is None else "no process that answered has"
    negation = "no" if tools is None else "a"
    kind = "service" if is_service else "tool"
    alike = get_close_matches(name, names, _OFFERED) or sorted(names)[:_OFFERED]
    known = ", ".join(alike) or "there is none"
    terminal.stop(f"{who} {negation} {kind} {name!r}: {known}", "idaas-agent start takes it back")


def _unlisted(tool: str, tools: Mapping[str, Collection[str]]) -> Sequence[str]:
    """The services that may have the tool, because none of their tools is known."""
    service, separator, _ = tool.rpartition(".")
    without = sorted(name for name, of_service in tools.items() if not of_service)
    return [name for name in without if not separator or name == service]


def _services_of(settings: Settings) -> set[str] | None:
    """The services that the settings name; `None`: others may add some."""
    from agent.settings.declared_services import ENTRY_POINTS, declared_services

    if settings.graph is not None or installed_entries(ENTRY_POINTS):
        return None
    return {declared.name for declared in declared_services(settings)}


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
