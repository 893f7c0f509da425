"""The enterprise service: a function behind an HTTP trigger with JWT authentication (Function Compute)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from idaas_agent import READS, HTTPService, ServiceClient


def service(enterprise: HTTPService, _: Mapping[str, Any]) -> None:
    """Adds the tool to the service, which `ENTERPRISE_SERVICE_URL` and `ENTERPRISE_SERVICE_SCOPE` declare."""

    @enterprise.tool(policy=READS)
    async def call_enterprise_service(
        http: ServiceClient,
        message: Annotated[str | None, Field(description="A message for the service, if any.")] = None,
    ) -> str:
        """Calls the enterprise service (企业服务), the company's internal service."""
        body = {} if message is None else {"message": message}
        return (await http.post(json=body)).text
