"""A tool made of a function: its parameters are the tool's parameters, its docstring the description."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import to_json

from tools.arguments.size import size_fault
from tools.service import ToolResult, ToolSchema

_MAX_FAULTS: Final = 5
_MAX_PLACE: Final = 300
"""Characters of where a fault is: a name that the model made up may be long."""


class ToolFunction:
    """Takes an `async def` function whose first parameter is the service's client.

    The other parameters, with their type hints, become the JSON Schema that the model sees; say more of one
    with `Annotated[str, Field(description="…")]`. Arguments are validated before the function runs.
    Raises `TypeError` for a function of another shape, and `ValueError` for one without a docstring.
    """

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        name = function.__name__
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f'tool "{name}" must be an async function')  # noqa: EM102 - the name is the point
        if not (description := inspect.getdoc(function)):
            raise ValueError(f'tool "{name}" must have a docstring: it tells the model what the tool is for')  # noqa: EM102
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            raise TypeError(f'tool "{name}" must take the client first, and no *args or **kwargs')  # noqa: EM102
        hints = get_type_hints(function, include_extras=True)
        # The fields' names are ours: a parameter may be called `json` or `copy`, as pydantic's methods are.
        self._fields = {f"argument_{n}": p.name for n, p in enumerate(parameters[1:])}
        fields: dict[str, Any] = {
            field: (
                Annotated[hints.get(p.name, str), Field(alias=p.name)],
                ... if p.default is p.empty else p.default,
            )
            for field, p in zip(self._fields, parameters[1:], strict=True)
        }
        self._function = function
        self._arguments: type[BaseModel] = create_model(
            f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields
        )
        self.schema = ToolSchema(name, description, without_titles(self._arguments.model_json_schema()))

    async def run(self, client: object, arguments: Mapping[str, Any]) -> ToolResult:
        """The function's answer: text as it is, anything else as JSON. Bad arguments are a failed result."""
        if (fault := size_fault(arguments)) is not None:
            return ToolResult(f"invalid arguments: {fault}", ok=False, called=False)
        try:
            valid = self._arguments.model_validate(arguments)
        except ValidationError as error:
            faults = "; ".join(argument_faults(error))
            return ToolResult(f"invalid arguments: {faults}", ok=False, called=False)
        named = {name: getattr(valid, field) for field, name in self._fields.items()}
        answer = await self._function(client, **named)
        if isinstance(answer, ToolResult):
            return answer
        return ToolResult(answer if isinstance(answer, str) else to_json(answer).decode())


def argument_faults(error: ValidationError) -> list[str]:
    """A few sentences for the model, each with the argument's name and without its value."""
    return [
        f'"{".".join(map(str, fault["loc"]))[:_MAX_PLACE]}": {fault["msg"]}'
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ][:_MAX_FAULTS]


def without_titles(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    """pydantic's titles repeat the names; a model pays for them by the token."""
    if isinstance(schema, list):
        return [without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: without_titles(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
