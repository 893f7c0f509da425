"""A service that is called over HTTP, whose tools are functions.

May import `identity` and the modules at the top of `tools`.
Begin at `service`; `client` is what a tool's function calls its service with.
"""
