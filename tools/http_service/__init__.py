"""A service that is called over HTTP, whose tools are functions and LangChain tools.

May import `identity`, `tools.arguments` and the modules at the top of `tools`.
Begin at `service`; `client` is what a tool calls its service with, `service_tool` adapts LangChain tools.
"""
