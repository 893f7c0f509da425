"""The agent as an MCP server: its route, the methods of both versions, and the runs behind `tools/call`.

May import the modules at the top of `agent.api`.
Begin at `routes`; `message` is the wire, `calls` what a call runs, `encoder` what a client reads of it.
"""
