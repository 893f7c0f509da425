"""Expenses of the signed-in employee."""

from idaas_agent import Effect, ToolPolicy


def service(expenses, settings):
    """What `services.toml` names."""

    @expenses.tool(policy=ToolPolicy(effect=Effect.WRITE))
    async def submit_expense(http, amount: float, reason: str):
        """Submits an expense of the signed-in employee, in CNY."""
        return (await http.post("submitted", json={"amount": amount, "reason": reason})).text
