"""Expenses of the signed-in employee."""

from idaas_agent import Effect, ToolPolicy


def service(expenses, settings):
    """What `services.toml` names."""

    @expenses.tool(policy=ToolPolicy(effect=Effect.WRITE))
    async def submit_expense(http, amount: float, reason: str):
        """Submits an expense of the signed-in employee, in CNY."""
        return (await http.post("submitted", json={"amount": amount, "reason": reason})).text

    @expenses.tool(policy=ToolPolicy(effect=Effect.WRITE))
    async def order_equipment(http, item: str):
        """Orders equipment for the signed-in employee."""
        return (await http.post("orders", json={"item": item})).text

    @expenses.tool(policy=ToolPolicy(effect=Effect.EXTERNAL))
    async def pay_out(http, expense: str):
        """Pays out an expense by its number."""
        return (await http.post("paid", json={"expense": expense})).text
