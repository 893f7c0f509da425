"""The signed-in employee's leave, read as that employee: an example of a tool of one's own."""

import ssl
from collections.abc import Sequence

from identity.access_identity import AccessIdentity
from identity.credentials.requirement import AccessTokenRequirement
from tools.http_service.client import ServiceClient
from tools.http_service.service import HTTPService


def leave(
    url: str, scope: str, *, settings: Sequence[str] = (), ssl_context: ssl.SSLContext | None = None
) -> HTTPService:
    """The leave service at `url`; it requires an access token of `scope` that names the employee.

    `settings` are the names of the settings that both come from.
    """
    service = HTTPService(
        "leave",
        url,
        AccessTokenRequirement(scope),
        access_identity=AccessIdentity.HUMAN,
        settings=settings,
        ssl_context=ssl_context,
    )

    @service.tool
    async def leave_balance(http: ServiceClient) -> str:
        """How many days of leave (休假, 年假) the employee has left, and the next approved leave."""
        return (await http.get()).text

    return service
