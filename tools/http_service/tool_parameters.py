"""The parameters of a LangChain tool: which of them the model does not see."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, Tool
from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class InjectedParameter:
    """Its type, and whether the tool cannot be called without it."""

    kind: Any
    is_required: bool


def injected_parameters(tool: BaseTool) -> dict[str, InjectedParameter]:
    """By name: the parameters of the function and of the model class that LangChain hides from the model."""
    found: dict[str, InjectedParameter] = {}
    for function in _functions(tool):
        for parameter in _parameters(function):
            if is_injected(parameter.annotation):
                is_required = parameter.default is parameter.empty
                found[parameter.name] = InjectedParameter(get_args(parameter.annotation)[0], is_required)
    if json_schema(tool) is None:
        shown = model(tool.tool_call_schema, tool.name).model_fields
        for name, field in model(tool.get_input_schema(), tool.name).model_fields.items():
            if name not in shown:
                found[name] = InjectedParameter(field.annotation, field.is_required())
    return found


def is_injected(annotation: Any) -> bool:  # noqa: ANN401 - any annotation
    """Whether LangChain hides a parameter with this annotation from the model."""
    return any(
        isinstance(each, InjectedToolArg) or (isinstance(each, type) and issubclass(each, InjectedToolArg))
        for each in getattr(annotation, "__metadata__", ())
    )


def json_schema(tool: BaseTool) -> dict[str, Any] | None:
    """The JSON Schema of the arguments; `None` if they are a pydantic model."""
    if isinstance(tool, Tool) and tool.args_schema is None:  # takes one text
        schema: dict[str, Any] = convert_to_openai_function(tool)["parameters"]
        return schema
    return tool.args_schema if isinstance(tool.args_schema, dict) else None


def model(schema: object, name: str) -> type[BaseModel]:
    """`schema`, the arguments of the tool `name`. Raises `TypeError` if it is not a model of pydantic 2."""
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        raise TypeError(f'the arguments of tool "{name}" must be a model of pydantic 2, or a JSON Schema')
    return schema


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """With annotations as they are written if one of them cannot be resolved."""
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:  # such as a name that is imported for type checkers only
        signature = inspect.signature(function)
    return list(signature.parameters.values())


def _functions(tool: BaseTool) -> list[Callable[..., Any]]:
    if isinstance(tool, StructuredTool | Tool):
        return [function for function in (tool.func, tool.coroutine) if function is not None]
    return [tool._run, tool._arun]  # noqa: SLF001 - what a subclass of `BaseTool` defines
