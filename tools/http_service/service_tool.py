"""A LangChain tool, or a plain async function, as a tool of a service."""

import inspect
import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from functools import cached_property, wraps
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import httpx
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, Tool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from identity.principal import Caller
from tools.arguments.fault import ArgumentFault, invalid_arguments, size_fault
from tools.arguments.schema_budget import checked_draft
from tools.arguments.validator import BoundedValidator
from tools.http_service.client import ServiceClient
from tools.result_schema import ResultSchema, result_schema_of
from tools.service import FUNCTION_NAME, ToolResult, ToolSchema


def injected_parameters(tool: BaseTool) -> dict[str, tuple[Any, bool]]:
    """The parameters, by name, of the function and the model class that LangChain hides from the model.

    Of each its type, and whether the tool cannot be called without it.
    """
    injected: dict[str, tuple[Any, bool]] = {}
    for parameter in _parameters_of(tool):
        if is_injected(parameter.annotation):
            kind = get_args(parameter.annotation)[0]
            injected[parameter.name] = kind, parameter.default is parameter.empty
    if json_schema(tool) is None:
        fields = model(tool.get_input_schema(), tool.name).model_fields
        visible = model(tool.tool_call_schema, tool.name).model_fields
        for name, field in fields.items():
            if name not in visible:
                injected[name] = field.annotation, field.is_required()
    return injected


def is_injected(annotation: Any) -> bool:  # noqa: ANN401 - any annotation
    """Whether LangChain hides a parameter with this annotation from the model."""
    return any(_marks_injection(metadata) for metadata in getattr(annotation, "__metadata__", ()))


def _marks_injection(metadata: object) -> bool:
    if isinstance(metadata, type):
        return issubclass(metadata, InjectedToolArg)
    return isinstance(metadata, InjectedToolArg)


def json_schema(tool: BaseTool) -> dict[str, Any] | None:
    """The JSON Schema of the arguments; `None` if they are a pydantic model."""
    if isinstance(tool, Tool) and tool.args_schema is None:  # takes one text
        return dict(convert_to_openai_function(tool)["parameters"])
    return tool.args_schema if isinstance(tool.args_schema, dict) else None


def model(schema: object, name: str) -> type[BaseModel]:
    """`schema`, the arguments of the tool `name`. Raises `TypeError` if it is not a model of pydantic 2."""
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        raise TypeError(f'the arguments of tool "{name}" must be a model of pydantic 2, or a JSON Schema')
    return schema


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The signature; its annotations are as written if one of them cannot be resolved."""
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:  # such as a name that is imported for type checkers only
        signature = inspect.signature(function)
    return list(signature.parameters.values())


def _titles(tool: BaseTool) -> dict[str, str]:
    """The names of arguments for people, by argument, which LangChain leaves out of the schema."""
    titles: dict[str, str] = {}
    for parameter in _parameters_of(tool):
        for metadata in get_args(parameter.annotation):
            if isinstance(metadata, FieldInfo) and metadata.title:
                titles[parameter.name] = metadata.title
    for name, field in model(tool.get_input_schema(), tool.name).model_fields.items():
        if field.title:
            titles[name] = field.title
    return titles


def _parameters_of(tool: BaseTool) -> Iterator[inspect.Parameter]:
    """The parameters of all functions of `tool`."""
    for function in _functions(tool):
        yield from _parameters(function)


def _functions(tool: BaseTool) -> list[Callable[..., Any]]:
    if isinstance(tool, StructuredTool | Tool):
        return [function for function in (tool.func, tool.coroutine) if function is not None]
    return [tool._run, tool._arun]  # noqa: SLF001 - what a subclass of `BaseTool` defines


class FunctionTool(StructuredTool):
    """A plain function as a tool, which `run_function` calls: LangChain derives its schema, and does nothing
    else.
    """


async def run_function(tool: FunctionTool, values: Mapping[str, Any]) -> ToolResult:
    """The result of the function. Raises what it raises, but `ToolException`, which is a failed result.

    Not checked: `values`, which are of the types that the function declares.
    """
    assert tool.coroutine is not None  # noqa: S101 - `function_tool` sets it
    try:
        result = await tool.coroutine(**values)
    except ToolException as error:
        return ToolResult(str(error), ok=False)
    if isinstance(result, ToolResult):
        return result
    if isinstance(result, ToolMessage):
        return ToolResult(_text(tool, result), ok=result.status != "error")
    if isinstance(result, str):
        return ToolResult(result)
    return ToolResult(to_json(result).decode())


_NO_VALUES: Final = (str, bytes, Any, object, None, inspect.Signature.empty, ToolResult, ToolMessage)
"""Types of results of which no more is known than their text."""


def _returns(tool: FunctionTool) -> ResultSchema | None:
    """The schema of what the function of `tool` declares to return; `None` if that is a text, not known, or
    nothing that JSON has.
    """
    assert tool.coroutine is not None  # noqa: S101 - `function_tool` sets it
    try:
        declared = inspect.signature(inspect.unwrap(tool.coroutine), eval_str=True).return_annotation
        kinds = get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
        if any(kind in _NO_VALUES for kind in kinds):
            return None
        return result_schema_of(TypeAdapter(declared).json_schema(mode="serialization"))
    except Exception:  # noqa: BLE001 - what pydantic raises for a type is many kinds
        return None


async def run_tool(tool: BaseTool, arguments: Mapping[str, Any]) -> ToolResult:
    """The result of `tool` as text: of content blocks the texts, of other kinds only the name.

    A `ToolException`, and what the tool's own `handle_tool_error` makes of one, is a failed result. The run's
    callbacks are not passed on, and LangSmith sees nothing of it: the graph records the call. Raises what the
    tool raises, and `TypeError` for a result that only a node of LangGraph can use, such as a `Command`. Not
    checked: `arguments`.
    """
    from langsmith import tracing_context  # LangChain loads it with the first run, not with its tools

    call = {"type": "tool_call", "id": tool.name, "name": tool.name, "args": dict(arguments)}
    try:
        # LangSmith, which the environment may enable, would have what the tool does with a lent credential.
        with tracing_context(enabled=False):
            result = await tool.ainvoke(call, config={"callbacks": []})
    except ToolException as error:
        return ToolResult(str(error), ok=False)
    if isinstance(result, ToolResult):
        return result
    if not isinstance(result, ToolMessage):
        raise TypeError(f'tool "{tool.name}" returned a {type(result).__name__}')
    return ToolResult(_text(tool, result), ok=result.status != "error")


def _text(tool: BaseTool, message: ToolMessage) -> str:
    content = message.content
    if isinstance(content, str):
        return content
    if tool.response_format == "content" and all(isinstance(part, str) for part in content):
        return to_json(content).decode()  # a list of texts is a value, not one text in pieces
    artifact = message.artifact
    if not content and isinstance(artifact, Mapping) and "structured_content" in artifact:
        return to_json(artifact["structured_content"]).decode()  # of an MCP server
    return "\n".join(map(_block_text, content))


def _block_text(block: str | Mapping[Any, Any]) -> str:
    if isinstance(block, str):
        return block
    return str(block.get("text", "")) if block.get("type") == "text" else f"[{block.get('type')}, not shown]"


INJECTED: Final[Mapping[Any, Callable[[ServiceClient], Any]]] = {
    ServiceClient: lambda client: client,
    Caller: lambda client: client.caller,
    httpx.Auth: lambda client: client,
}
"""Values that a tool may ask for, by the type of a parameter that the model does not see."""

_MAX_FAULTS: Final = 5
_MAX_NAME: Final = 300
"""Characters of an argument's name, which the model may have made up."""


class ServiceTool:
    """Any `BaseTool`, whose arguments are a pydantic model or a JSON Schema.

    A parameter `Annotated[ServiceClient, InjectedToolArg]` gets the service's client, a `Caller` the caller,
    and an `httpx.Auth` the credential for an SDK.
    LangChain derives the schema, without the titles that people read, which are kept here, and runs the tool,
    unless it is a `FunctionTool`. It ignores unknown arguments, converts values of another type, such as
    `true` to 1, passes arguments on unchecked if their schema is a JSON Schema, sets no bound on their size,
    and lets a caller set an injected parameter. Each is a failed result here, and the tool does not run.

    Not checked: what the tool does beside its client. A tool without an `async` form runs in a thread, which
    a timeout does not end.

    Raises `TypeError` for another injected parameter without a default, and `ValueError` for a tool without a
    description, with a name that model services refuse, or with a malformed or too large JSON Schema.
    """

    def __init__(self, tool: BaseTool) -> None:
        name = tool.name
        if not tool.description:
            raise ValueError(f'tool "{name}" must have a description: the model chooses tools by it')
        injected = injected_parameters(tool)
        self._tool: Final = tool
        self._kinds: Final = {name: kind for name, (kind, _) in injected.items() if kind in INJECTED}
        if any(is_required for name, (_, is_required) in injected.items() if name not in self._kinds):
            raise TypeError(f'an injected parameter of tool "{name}" must be a ServiceClient')
        self._injected: Final = frozenset(injected)
        schema = json_schema(tool)
        if schema is None:
            parameters = convert_to_openai_function(tool)["parameters"]
            properties = parameters.get("properties", {})
            for argument, title in _titles(tool).items():
                if argument in properties:
                    properties[argument]["title"] = title
            visible = model(tool.tool_call_schema, name)
            complete = model(tool.get_input_schema(), name)
            self._check: _Check = _ModelCheck(visible, complete, parameters).checked
        else:
            checked_draft(schema)
            parameters = _without(schema, self._injected)
            validator = BoundedValidator(parameters)
            self._check = lambda arguments, given: Checked(validator.faults(arguments), given)
        parameters = {"type": "object", "properties": {}, "additionalProperties": False} | parameters
        if not FUNCTION_NAME.fullmatch(name) or parameters["type"] != "object":
            raise ValueError(f'tool "{name}" must have the name and the parameters of a function')
        self._is_closed: Final = (
            parameters["additionalProperties"] is False and "patternProperties" not in parameters
        )
        self.schema: Final = ToolSchema(name, tool.description, parameters)

    @cached_property
    def returns(self) -> ResultSchema | None:
        """The schema of the results, if the tool is a `FunctionTool` whose function declares one."""
        return _returns(self._tool) if isinstance(self._tool, FunctionTool) else None

    def faults(self, client: ServiceClient, arguments: Mapping[str, Any]) -> list[ArgumentFault]:
        """Why the tool cannot run with `arguments`; it does not run here."""
        return self._checked(arguments, self._injected_for(client)).faults

    async def run(self, client: ServiceClient, arguments: Mapping[str, Any]) -> ToolResult:
        """The tool's result. Bad arguments are a failed result. Raises what the tool raises."""
        injected = self._injected_for(client)
        checked = self._checked(arguments, injected)
        if checked.faults:
            return ToolResult(invalid_arguments(checked.faults), ok=False, called=False)
        if isinstance(self._tool, FunctionTool):
            return await run_function(self._tool, {**checked.values, **injected})
        return await run_tool(self._tool, {**arguments, **injected})

    def _checked(self, arguments: Mapping[str, Any], injected: Mapping[str, Any]) -> "Checked":
        if (fault := size_fault(arguments)) is not None:
            return Checked([fault])
        if unknown := self._unknown(arguments):
            return Checked(unknown)
        return self._check(arguments, {**arguments, **injected})

    def _injected_for(self, client: ServiceClient) -> dict[str, Any]:
        return {name: INJECTED[kind](client) for name, kind in self._kinds.items()}

    def _unknown(self, arguments: Mapping[str, Any]) -> list[ArgumentFault]:
        properties = self.schema.parameters["properties"]
        return [
            ArgumentFault(name[:_MAX_NAME], "there is no such argument")
            for name in arguments
            if name in self._injected or (self._is_closed and name not in properties)
        ][:_MAX_FAULTS]


class Checked(NamedTuple):
    """The faults of arguments; without any, the values of the types that the tool declares."""

    faults: list[ArgumentFault]
    values: Mapping[str, Any] = MappingProxyType({})


_Check = Callable[[Mapping[str, Any], Mapping[str, Any]], Checked]
"""Checks arguments as the model gave them and as the tool gets them."""


class _ModelCheck:
    """Validates arguments by a pydantic model, strictly, as JSON: no value is converted to another type."""

    def __init__(
        self, visible: type[BaseModel], complete: type[BaseModel], parameters: Mapping[str, Any]
    ) -> None:
        """`visible` is the model without injected parameters, and `parameters` its JSON Schema."""
        self._visible = visible
        self._complete = complete
        self._extra: Final[Literal["forbid"] | None] = None if _has(parameters, _is_open) else "forbid"
        # To pydantic, as to Python, `true` is 1 in a list of values.
        self._values = BoundedValidator(parameters) if _has(parameters, _lists_numbers) else None

    def checked(self, arguments: Mapping[str, Any], with_injected: Mapping[str, Any]) -> Checked:
        """Each fault names the argument, without its value."""
        try:
            text = json.dumps(arguments, allow_nan=False)
            self._visible.model_validate_json(text, strict=True, extra=self._extra)
            valid = self._complete.model_validate(dict(with_injected))
        except ValidationError as error:
            faults = [
                ArgumentFault(".".join(map(str, fault["loc"]))[:_MAX_NAME], fault["msg"])
                for fault in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            return Checked(faults[:_MAX_FAULTS])
        except ValueError:
            return Checked([ArgumentFault("", "they must be JSON")])
        faults = [] if self._values is None else self._values.faults(arguments)
        return Checked(faults, {name: getattr(valid, name) for name in self._complete.model_fields})


def _has(schema: object, holds: Callable[[Mapping[str, Any]], bool]) -> bool:
    """Whether `holds` for an object in `schema`."""
    if isinstance(schema, Mapping):
        return holds(schema) or any(_has(value, holds) for value in schema.values())
    return isinstance(schema, list) and any(_has(item, holds) for item in schema)


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Whether the model takes members that it does not name."""
    return "properties" in schema and bool(schema.get("additionalProperties", False))


def _lists_numbers(schema: Mapping[str, Any]) -> bool:
    values = schema.get("enum", [schema.get("const")])
    return isinstance(values, list) and any(isinstance(value, int | float) for value in values)


def _without(schema: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A JSON Schema of arguments without the properties `names`, its own title and its description."""
    rest = {key: value for key, value in schema.items() if key not in ("title", "description")}
    properties = schema.get("properties", {})
    rest["properties"] = {name: value for name, value in properties.items() if name not in names}
    rest["required"] = [name for name in schema.get("required", []) if name not in names]
    return rest


def function_tool(function: Callable[..., Awaitable[Any]]) -> BaseTool:
    """`function` as a `FunctionTool`, its first parameter the injected client.

    The other parameters, with their type hints, are the arguments that the model sees;
    `Annotated[str, Field(description="…")]` describes one, `title` names it for people. The docstring is the
    tool's description. A result that is neither text nor a `ToolResult` becomes JSON. A parameter of a type
    in `INJECTED` is injected; then the first one is the client only if it has no type.
    Raises `TypeError` for a function of another form, and `ValueError` for one without a docstring or with a
    parameter name that LangChain reserves.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f'tool "{name}" must be an async function')
    if not (description := inspect.getdoc(function)):
        raise ValueError(f'tool "{name}" must have a docstring: the model chooses tools by it')
    parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    if not parameters or any(p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters):
        raise TypeError(f'tool "{name}" must take the client, and no *args or **kwargs')
    parameters = [_marked_if_injected(parameter) for parameter in parameters]
    first = parameters[0].annotation
    if first is inspect.Parameter.empty or not any(is_injected(p.annotation) for p in parameters):
        if first not in (inspect.Parameter.empty, Any, object):
            forgotten = parameters[0].name
            raise TypeError(f'tool "{name}" must take the client before "{forgotten}": {name}(http, …)')
        parameters[0] = parameters[0].replace(annotation=Annotated[ServiceClient, InjectedToolArg])

    @wraps(function)
    async def run(**arguments: Any) -> Any:  # noqa: ANN401 - as the function
        return await function(**arguments)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # `inspect` reads it
    run.__annotations__ = {p.name: p.annotation for p in parameters if p.annotation is not p.empty}
    tool = FunctionTool.from_function(coroutine=run, name=name, description=description)
    visible = tool.args  # computed anew at each access
    hidden = [p.name for p in parameters if not is_injected(p.annotation) and p.name not in visible]
    if hidden:
        raise ValueError(f'tool "{name}" cannot have a parameter "{hidden[0]}"')
    return tool


def _marked_if_injected(parameter: inspect.Parameter) -> inspect.Parameter:
    """`parameter`, hidden from the model if its type is in `INJECTED`."""
    if parameter.annotation not in INJECTED:
        return parameter
    return parameter.replace(annotation=Annotated[parameter.annotation, InjectedToolArg])
