"""Options that several commands have, each declared once."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

FOLDER = Annotated[Path, typer.Option("--folder", help="The folder of the sandbox's files.")]
SANDBOX_URL = Annotated[
    str,
    typer.Option("--sandbox-url", envvar="SANDBOX_URL", help="Address of the running sandbox, plain HTTP."),
]
DEFAULT_FOLDER: Final = Path(".sandbox")
DEFAULT_SANDBOX_URL: Final = "http://localhost:9400"


def with_options(options: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: each field of the dataclass `options` is an option of the Typer command.

    The command receives them as one argument, `options`, which must be its last parameter.
    """
    hints = get_type_hints(options, include_extras=True)
    fields = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(options)
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[:-1]

        @wraps(command)
        def expanded(**given: Any) -> None:  # noqa: ANN401 - Typer's values
            values = {field.name: given.pop(field.name) for field in fields}
            command(**given, options=options(**values))

        parameters = [*own, *fields]
        expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return expanded

    return decorate
