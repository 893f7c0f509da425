"""A service that is an MCP server: its tools are listed from it and called over sessions.

May import `identity` and the modules at the top of `tools`; the only owner of `mcp` and
`langchain_mcp_adapters`.
Begin at `service`; `session` and `transport` speak the protocol, `tool` reads what the server lists.
"""
