"""The signed-in employee's leave, read as that employee: an example of a tool."""

from collections.abc import Mapping
from typing import Any

from tools.http_service.client import ServiceClient
from tools.http_service.service import HTTPService


def service(leave: HTTPService, _: Mapping[str, Any]) -> None:
    """Adds the tool to the service, which `LEAVE_SERVICE_URL` and `LEAVE_SERVICE_SCOPE` declare."""

    @leave.tool
    async def leave_balance(http: ServiceClient) -> str:
        """How many days of leave (休假, 年假) the employee has left, and the next approved leave."""
        return (await http.get()).text
