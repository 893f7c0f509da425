"""The tools of a published toolkit, which is made for each call with the credential of its caller."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeAlias

from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_function

from identity.secrets.secret import Secret
from tools.http_service.client import ServiceClient
from tools.http_service.service_tool import run_tool
from tools.service import ToolResult

Toolkit: TypeAlias = Callable[[Secret], Sequence[BaseTool]]
"""Makes the tools with a credential: `lambda key: SearchToolkit(api_key=key.reveal()).get_tools()`."""

_AT_START: Final = Secret("not-a-credential-but-what-the-tools-are-listed-with")


def tools_of_toolkit(make: Toolkit) -> list[BaseTool]:
    """A tool for each that `make` makes, under its name, with its description and its arguments."""
    return [_made_for_each_call(make, tool) for tool in make(_AT_START)]


def _made_for_each_call(make: Toolkit, listed: BaseTool) -> BaseTool:
    async def run(idaas_client: Annotated[ServiceClient, InjectedToolArg], **arguments: Any) -> ToolResult:  # noqa: ANN401 - the tool's own
        credential = await idaas_client.credential()
        [tool] = [tool for tool in make(credential.secret) if tool.name == listed.name]
        return await run_tool(tool, arguments)

    return StructuredTool.from_function(
        coroutine=run,
        name=listed.name,
        description=listed.description,
        args_schema=dict(convert_to_openai_function(listed)["parameters"]),
        infer_schema=False,
    )
