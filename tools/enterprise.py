"""The enterprise service: a function behind an HTTP trigger with JWT authentication (Function Compute)."""

import ssl
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from identity.credentials.requirement import AccessTokenRequirement
from tools.error_codes import ToolCode
from tools.http_service.client import ServiceClient
from tools.http_service.service import HTTPService


def enterprise(
    url: str,
    scope: str,
    *,
    settings: Sequence[str] = (),
    ssl_context: ssl.SSLContext | None = None,
    seconds: float = 20.0,
) -> HTTPService:
    """The service at `url`, called with an access token of `scope` (`audience|permission`).

    `settings` are the names of the settings that both come from.
    """
    service = HTTPService(
        "enterprise",
        url,
        AccessTokenRequirement(scope),
        error_code=ToolCode.ENTERPRISE_SERVICE_FAILED,
        settings=settings,
        ssl_context=ssl_context,
        seconds=seconds,
    )

    @service.tool
    async def call_enterprise_service(
        http: ServiceClient,
        message: Annotated[str | None, Field(description="What to tell the service, if anything.")] = None,
    ) -> str:
        """Calls the enterprise service (企业服务), the company's internal service, and returns its answer."""
        return (await http.post(json={} if message is None else {"message": message})).text

    return service
