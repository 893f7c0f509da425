"""The HTTP surfaces of the agent: the application, its routes and OpenAPI document.

May import `agent.composition`, `agent.conversations`, `agent.runs`, `agent.middleware` and what they import.
Begin at `app`.
"""
