"""A LangChain tool as a tool of a service."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, cast

from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from tools.arguments.size import size_fault
from tools.http_service.client import ServiceClient
from tools.http_service.tool_function import argument_faults, without_titles
from tools.service import ToolResult, ToolSchema

_Models: TypeAlias = tuple[type[BaseModel], type[BaseModel]]


class LangChainTool:
    """Any `BaseTool`, such as a function under LangChain's `@tool`, whose arguments are a pydantic model.

    A parameter `Annotated[ServiceClient, InjectedToolArg]` gets the service's client; the model sees no
    injected parameter and cannot set one. Arguments are validated before the tool runs, and unknown ones are
    refused. The tool gets no callbacks: the graph records the call. Not checked: what the tool does beside
    its client. A tool without an `async` form runs in a thread, which a timeout does not end.

    Raises `TypeError` for another kind of injected parameter and for arguments that are no pydantic model,
    and `ValueError` for a tool without a description.
    """

    def __init__(self, tool: BaseTool) -> None:
        name = tool.name
        if not tool.description:
            raise ValueError(f'tool "{name}" must have a description: the model chooses tools by it')  # noqa: EM102
        arguments, whole = cast("_Models", (tool.tool_call_schema, tool.get_input_schema()))
        if not all(isinstance(model, type) and issubclass(model, BaseModel) for model in (arguments, whole)):
            raise TypeError(f'the arguments of tool "{name}" must be a pydantic model')  # noqa: EM102
        injected = {
            field: parameter.annotation
            for field, parameter in whole.model_fields.items()
            if field not in arguments.model_fields
        }
        if any(kind is not ServiceClient for kind in injected.values()):
            raise TypeError(f'an injected parameter of tool "{name}" must be a ServiceClient')  # noqa: EM102
        self._tool = tool
        self._arguments: Final = arguments
        self._injected: Final = frozenset(injected)
        schema = without_titles(arguments.model_json_schema())
        schema.pop("description", None)
        schema = {"properties": {}} | schema | {"additionalProperties": False}
        self.schema = ToolSchema(name, tool.description, schema)

    async def run(self, client: ServiceClient, arguments: Mapping[str, Any]) -> ToolResult:
        """The tool's result: text as it is, anything else as JSON. Bad arguments are a failed result.

        A `ToolException` is a failed result with its text. Raises what the tool raises.
        """
        faults = [] if (fault := size_fault(arguments)) is None else [fault]
        if not faults:
            faults = [
                f'"{name[:_MAX_NAME]}": there is no such argument'
                for name in arguments
                if name not in self.schema.parameters["properties"]
            ][:_MAX_FAULTS]
        if not faults:
            try:
                self._arguments.model_validate(dict(arguments))
            except ValidationError as error:
                faults = argument_faults(error)
        if faults:
            return ToolResult(f"invalid arguments: {'; '.join(faults)}", ok=False, called=False)
        given = {**arguments, **dict.fromkeys(self._injected, client)}
        try:
            result = await self._tool.ainvoke(given, config={"callbacks": []})
        except ToolException as error:
            return ToolResult(str(error), ok=False)
        if isinstance(result, ToolResult):
            return result
        return ToolResult(result if isinstance(result, str) else to_json(result).decode())


_MAX_FAULTS: Final = 5
_MAX_NAME: Final = 300
"""Characters of an argument's name, which the model may have made up."""
