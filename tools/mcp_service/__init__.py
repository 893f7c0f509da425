"""A service that is an MCP server: its tools are listed by the server and called.

May import `identity`, `tools.arguments` and the modules at the top of `tools`. No other package imports `mcp`
or `langchain_mcp_adapters`.
Begin at `service`; `modern` and `legacy` speak the versions of the protocol over `wire`, `tool` and
`selection` say which tools are used.
"""
