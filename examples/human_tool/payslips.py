"""Payslips of the signed-in employee."""

from idaas_agent import READS, ServiceError, ToolResult


def service(payroll, settings):
    """What `services.toml` names."""

    @payroll.tool(policy=READS)
    async def payslip(http, month: str):
        """Gets the payslip of the signed-in employee for a month, written YYYY-MM."""
        try:
            return (await http.get("payslips", month)).text
        except ServiceError as error:
            if error.status == 404:
                return ToolResult("there is no payslip for this month", ok=False)
            raise
