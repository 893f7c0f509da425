"""The signed-in employee's leave, read and changed as that employee: an example of tools."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from idaas_agent import READS, Effect, HTTPService, ServiceClient, ServiceError, ToolPolicy, ToolResult

FirstDay = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The first day, YYYY-MM-DD.")]


def service(leave: HTTPService, _: Mapping[str, Any]) -> None:
    """Adds the tools to the service, which `LEAVE_SERVICE_URL` and `LEAVE_SERVICE_SCOPE` declare."""

    @leave.tool(policy=READS)
    async def leave_balance(http: ServiceClient) -> str:
        """How many days of leave (休假, 年假) the employee has left, and the next approved leave."""
        return (await http.get()).text

    @leave.tool(policy=READS)
    async def leave_applications(http: ServiceClient) -> str:
        """Lists the employee's applications for leave (休假记录)."""
        return (await http.get("applications")).text

    @leave.tool(policy=ToolPolicy(effect=Effect.WRITE))
    async def leave_apply(
        http: ServiceClient, days: Annotated[int, Field(ge=1)], first_day: FirstDay, reason: str | None = None
    ) -> str | ToolResult:
        """Applies for leave (请假) of some days in a row, for the employee."""
        body = {"days": days, "from": first_day, "reason": reason}
        return await _changed(http, "POST", "applications", body=body)

    @leave.tool(policy=ToolPolicy(effect=Effect.WRITE))
    async def leave_cancel(http: ServiceClient, first_day: FirstDay) -> str | ToolResult:
        """Cancels the employee's application for leave (取消休假) that begins on the first day."""
        return await _changed(http, "DELETE", "applications", first_day)


async def _changed(http: ServiceClient, method: str, *segments: str, body: object = None) -> str | ToolResult:
    """The result of a change; what the service's rules do not allow is a result for the model, too."""
    try:
        return (await http.request(method, *segments, json=body)).text
    except ServiceError as error:
        if error.status in (400, 404, 409):
            return ToolResult(error.body, ok=False)
        raise
