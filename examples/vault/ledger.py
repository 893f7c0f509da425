"""The tool of a ledger, whose key is kept in a vault."""

from idaas_agent import READS, HTTPService


def service(ledger: HTTPService, settings: dict) -> None:
    @ledger.tool(policy=READS)
    async def balance(http, account: str):
        """Reads the balance of an account."""
        return (await http.get("accounts", account)).json()
