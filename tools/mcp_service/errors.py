"""Failed requests to an MCP server; the service makes a `ServiceError` of each."""


class MCPRequestError(Exception):
    """A request has no usable response. `status` is the HTTP status, if there was a response.

    `timed_out` is true if the server used all the time that it had. `detail` never contains the server's
    text, which may contain anything.
    """

    def __init__(self, detail: str = "", status: int | None = None, *, timed_out: bool = False) -> None:
        self.detail = detail or f"status {status}"
        self.status = status
        self.timed_out = timed_out
        super().__init__(self.detail)

    @property
    def is_credential_refused(self) -> bool:
        """Whether the server does not accept the credential."""
        return self.status in (401, 403)


class MCPCallError(MCPRequestError):
    """One tool call failed, in a session that remains usable."""
