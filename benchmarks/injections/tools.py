"""AgentDojo's functions as tools of the agent: the code that the services files name.

The data of a run belongs to the user for whom the calls are made: one agent serves many runs at once.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field
from pydantic_core import to_json

from benchmarks.injections.planned_call import PlannedCall
from benchmarks.injections.suites import functions, runtime
from idaas_agent import Caller, HTTPService, ToolResult


@dataclass(slots=True)
class World:
    """The data of one run, and the calls that were made in it, in order."""

    environment: Any
    made: list[PlannedCall] = field(default_factory=list)


WORLDS: Final[dict[str, World]] = {}
"""By the subject of the user whose run goes on."""


def service(added: HTTPService, settings: Mapping[str, Any]) -> None:
    """Adds the functions `tools` of the suite `suite`."""
    of_suite = functions(settings["suite"])
    for name in settings["tools"]:
        added.add(_tool(settings["suite"], of_suite[name]))


def _tool(suite: str, function: Any) -> Callable[..., Awaitable[ToolResult]]:
    async def run(caller: Caller, **arguments: Any) -> ToolResult:
        world = WORLDS[caller.subject]
        world.made.append(PlannedCall(function.name, arguments))
        result, error = runtime(suite).run_function(world.environment, function.name, arguments)
        return ToolResult(error, ok=False) if error else ToolResult(to_json(result).decode())

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if argument.is_required() else argument.default,
            annotation=Annotated[argument.annotation, Field(description=argument.description)],
        )
        for name, argument in function.parameters.model_fields.items()
    ]
    caller = inspect.Parameter("caller", inspect.Parameter.KEYWORD_ONLY, annotation=Caller)
    run.__signature__ = inspect.Signature([caller, *parameters])  # type: ignore[attr-defined]  # `inspect` reads it
    run.__name__ = function.name
    run.__doc__ = function.description
    return run
