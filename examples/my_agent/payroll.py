"""Payslips of the signed-in employee."""

from idaas_agent import READS, Caller, Effect, ServiceError, ToolPolicy, ToolResult


def service(payroll, settings):
    """Adds the tools; `settings` are those of `services.toml`."""

    @payroll.tool(policy=READS)
    async def payslip(http, caller: Caller, month: str):
        """Gets the payslip of the signed-in employee for a month, written YYYY-MM."""
        try:
            slip = await http.get("payslips", month, params={"currency": settings["currency"]})
        except ServiceError as error:
            if error.status == 404:
                return ToolResult(f"there is no payslip of {caller.name or 'the user'} for {month}", ok=False)
            raise
        return slip.text

    @payroll.tool(policy=ToolPolicy(effect=Effect.WRITE), permission="payroll.write")
    async def report_error(http, month: str, what: str):
        """Reports an error in a payslip to the payroll department."""
        return (await http.post("reports", json={"month": month, "what": what})).text
