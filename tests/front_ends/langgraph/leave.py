"""The leave service of the sandbox: the agent's tools that change it ask for an approval."""

from datetime import UTC, datetime, timedelta

import httpx

from sandbox.state.directory import LEAVE_AUDIENCE
from tests.conftest import Sandbox


class Leave:
    """What alice asks for, and what she has got."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        today = datetime.fromtimestamp(sandbox.clock(), UTC).date()
        self.first_day = (today + timedelta(days=40)).isoformat()
        self.question = f"Apply for three days of leave from {self.first_day}"
        self.arguments = {"days": 3, "first_day": self.first_day}

    async def days(self, user: str = "alice") -> list[int]:
        """The days of each application of a user, as the service has them."""
        token = self._sandbox.access_token(user, audience=LEAVE_AUDIENCE, permissions=("leave.read",))
        url = self._sandbox.url("/leave/applications", "function_compute")
        async with httpx.AsyncClient(verify=self._sandbox.ssl_context) as http:
            listed = (await http.get(url, headers={"Authorization": f"Bearer {token}"})).json()
        return [application["days"] for application in listed["applications"]]
