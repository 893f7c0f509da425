"""The OpenAI-compatible chat completions API: its routes, and the wire form of requests and responses.

May import the modules at the top of `agent.api`.
Begin at `routes`; `request` reads a request body, `response` encodes a completion and its SSE stream.
"""
