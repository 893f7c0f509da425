"""The leave service of the sandbox: the agent's tools that change it ask for an approval."""

import httpx

from sandbox.state.directory import LEAVE_AUDIENCE
from tests.leave_application import FIRST_DAY, LEAVE
from tests.suite import Sandbox


class Leave:
    """What alice asks for, and what she has got."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.question = f"Apply for three days of leave from {FIRST_DAY}"
        self.arguments = LEAVE

    async def days(self, user: str = "alice") -> list[int]:
        """The days of each application of a user, as the service has them."""
        token = self._sandbox.access_token(user, audience=LEAVE_AUDIENCE, permissions=("leave.read",))
        url = self._sandbox.url("/leave/applications", "function_compute")
        async with httpx.AsyncClient(verify=self._sandbox.ssl_context) as http:
            listed = (await http.get(url, headers={"Authorization": f"Bearer {token}"})).json()
        return [application["days"] for application in listed["applications"]]
