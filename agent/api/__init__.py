"""The HTTP surfaces of the agent: the application, its routes and OpenAPI document.

May import `agent.middleware`, `agent.settings` and the modules at the top of `agent`.
Begin at `app`.
"""
