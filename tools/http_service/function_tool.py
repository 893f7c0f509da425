"""A plain async function as a LangChain tool."""

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool
from pydantic_core import to_json

from tools.http_service.client import ServiceClient
from tools.http_service.service_tool import INJECTED, is_injected
from tools.service import ToolResult


def function_tool(function: Callable[..., Awaitable[Any]]) -> BaseTool:
    """`function` under `StructuredTool.from_function`, its first parameter the injected client.

    The other parameters, with their type hints, are the arguments that the model sees;
    `Annotated[str, Field(description="…")]` describes one. The docstring is the description of the tool. A
    result that is neither text nor a `ToolResult` becomes JSON. A parameter of the type `Caller`,
    `httpx.Auth` or `ServiceClient` is injected; then the first one is the client only if it has no type.

    LangChain alone would show a first parameter without a type to the model.
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
    parameters = [
        each.replace(annotation=Annotated[each.annotation, InjectedToolArg])
        if each.annotation in INJECTED
        else each
        for each in parameters
    ]
    first = parameters[0].annotation
    if first is inspect.Parameter.empty or not any(is_injected(each.annotation) for each in parameters):
        parameters[0] = parameters[0].replace(annotation=Annotated[ServiceClient, InjectedToolArg])

    @wraps(function)
    async def run(**arguments: Any) -> Any:  # noqa: ANN401 - as the function
        result = await function(**arguments)
        return result if isinstance(result, str | ToolResult | ToolMessage) else to_json(result).decode()

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters if p.annotation is not p.empty}
    tool = StructuredTool.from_function(coroutine=run, name=name, description=description)
    hidden = [p.name for p in parameters if not is_injected(p.annotation) and p.name not in tool.args]
    if hidden:
        raise ValueError(f'tool "{name}" cannot have a parameter "{hidden[0]}"')
    return tool
