"""A service that is an MCP server: its tools are listed by the server and called in sessions.

May import `identity`, `tools.arguments` and the modules at the top of `tools`. No other package imports `mcp`
or `langchain_mcp_adapters`.
Begin at `service`; `session`, `client_session` and `transport` speak the protocol, `tool` selects the tools.
"""
