"""A LangChain tool as a tool of a service."""

import json
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, Literal

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import BaseModel, ValidationError

from tools.arguments.fault import ArgumentFault, invalid_arguments
from tools.arguments.schema_budget import checked_draft
from tools.arguments.size import size_fault
from tools.arguments.validator import BoundedValidator
from tools.http_service.client import ServiceClient
from tools.http_service.tool_parameters import injected_parameters, json_schema, model
from tools.http_service.tool_runner import run_tool
from tools.service import FUNCTION_NAME, ToolResult, ToolSchema

_MAX_FAULTS: Final = 5
_MAX_NAME: Final = 300
"""Characters of an argument's name, which the model may have made up."""


class ServiceTool:
    """Any `BaseTool`, whose arguments are a pydantic model or a JSON Schema.

    A parameter `Annotated[ServiceClient, InjectedToolArg]` gets the service's client. LangChain derives the
    schema and runs the tool. What it does not do is done here: it ignores unknown arguments, converts values
    of another type, such as `true` to 1, passes arguments on unchecked if their schema is a JSON Schema, sets
    no bound on their size, and lets a caller set an injected parameter. Each is a failed result here, and the
    tool does not run.

    Not checked: what the tool does beside its client. A tool without an `async` form runs in a thread, which
    a timeout does not end.

    Raises `TypeError` for another kind of injected parameter that has no default, and `ValueError` for a tool
    without a description, with a name that model services refuse, or with a JSON Schema that is malformed or
    too large.
    """

    def __init__(self, tool: BaseTool) -> None:
        name = tool.name
        if not tool.description:
            raise ValueError(f'tool "{name}" must have a description: the model chooses tools by it')
        injected = injected_parameters(tool)
        self._tool: Final = tool
        self._clients: Final = frozenset(each for each in injected if injected[each].kind is ServiceClient)
        if any(each.is_required for name, each in injected.items() if name not in self._clients):
            raise TypeError(f'an injected parameter of tool "{name}" must be a ServiceClient')
        self._injected: Final = frozenset(injected)
        schema = json_schema(tool)
        if schema is None:
            parameters = convert_to_openai_function(tool)["parameters"]
            shown, whole = model(tool.tool_call_schema, name), model(tool.get_input_schema(), name)
            self._check: _Check = _ModelCheck(shown, whole, parameters).faults
        else:
            checked_draft(schema)
            parameters = _without(schema, self._injected)
            self._check = partial(_schema_faults, BoundedValidator(parameters))
        parameters = {"type": "object", "properties": {}, "additionalProperties": False} | parameters
        if not FUNCTION_NAME.fullmatch(name) or parameters["type"] != "object":
            raise ValueError(f'tool "{name}" must have the name and the parameters of a function')
        self._is_closed: Final = (
            parameters["additionalProperties"] is False and "patternProperties" not in parameters
        )
        self.schema: Final = ToolSchema(name, tool.description, parameters)

    def faults(self, client: ServiceClient, arguments: Mapping[str, Any]) -> list[ArgumentFault]:
        """Why the tool cannot run with `arguments`; it does not run here."""
        if (fault := size_fault(arguments)) is not None:
            return [fault]
        return self._unknown(arguments) or self._check(arguments, self._given(client, arguments))

    async def run(self, client: ServiceClient, arguments: Mapping[str, Any]) -> ToolResult:
        """The tool's result. Bad arguments are a failed result. Raises what the tool raises."""
        if faults := self.faults(client, arguments):
            return ToolResult(invalid_arguments(faults), ok=False, called=False)
        return await run_tool(self._tool, self._given(client, arguments))

    def _given(self, client: ServiceClient, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {**arguments, **dict.fromkeys(self._clients, client)}

    def _unknown(self, arguments: Mapping[str, Any]) -> list[ArgumentFault]:
        properties = self.schema.parameters["properties"]
        return [
            ArgumentFault(name[:_MAX_NAME], "there is no such argument")
            for name in arguments
            if name in self._injected or (self._is_closed and name not in properties)
        ][:_MAX_FAULTS]


_Check = Callable[[Mapping[str, Any], Mapping[str, Any]], list[ArgumentFault]]
"""The faults of arguments as the model gave them and as the tool gets them."""


def _schema_faults(
    validator: BoundedValidator, arguments: Mapping[str, Any], _: object
) -> list[ArgumentFault]:
    return validator.faults(arguments)


class _ModelCheck:
    """Validates arguments by a pydantic model, strictly, as JSON: no value is converted to another type."""

    def __init__(self, shown: type[BaseModel], whole: type[BaseModel], parameters: Mapping[str, Any]) -> None:
        """`shown` is the model without injected parameters, and `parameters` its JSON Schema."""
        self._shown = shown
        self._whole = whole
        self._extra: Final[Literal["forbid"] | None] = None if _has(parameters, _is_open) else "forbid"
        # To pydantic, as to Python, `true` is 1 in a list of values.
        self._values = BoundedValidator(parameters) if _has(parameters, _lists_numbers) else None

    def faults(self, arguments: Mapping[str, Any], given: Mapping[str, Any]) -> list[ArgumentFault]:
        """Each names the argument, without its value."""
        try:
            text = json.dumps(arguments, allow_nan=False)
            self._shown.model_validate_json(text, strict=True, extra=self._extra)
            self._whole.model_validate(dict(given))
        except ValidationError as error:
            return [
                ArgumentFault(".".join(map(str, fault["loc"]))[:_MAX_NAME], fault["msg"])
                for fault in error.errors(include_url=False, include_input=False, include_context=False)
            ][:_MAX_FAULTS]
        except ValueError:
            return [ArgumentFault("", "they must be JSON")]
        return [] if self._values is None else self._values.faults(arguments)


def _has(schema: object, holds: Callable[[Mapping[str, Any]], bool]) -> bool:
    """Whether `holds` for an object in `schema`."""
    if isinstance(schema, Mapping):
        return holds(schema) or any(_has(each, holds) for each in schema.values())
    return isinstance(schema, list) and any(_has(each, holds) for each in schema)


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Of a model that takes members that it does not name."""
    return "properties" in schema and bool(schema.get("additionalProperties", False))


def _lists_numbers(schema: Mapping[str, Any]) -> bool:
    listed = schema.get("enum", [schema.get("const")])
    return isinstance(listed, list) and any(isinstance(each, int | float) for each in listed)


def _without(schema: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A JSON Schema of arguments without the properties `names`, its own title and its description."""
    kept = {key: value for key, value in schema.items() if key not in ("title", "description")}
    properties, required = kept.get("properties", {}), kept.get("required", [])
    kept["properties"] = {name: value for name, value in properties.items() if name not in names}
    kept["required"] = [name for name in required if name not in names]
    return kept
