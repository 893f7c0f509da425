"""What every request passes before a route: ASGI middleware, one file each.

May import `agent.settings` and the modules at the top of `agent`.
Begin at `authentication`; their order is in `agent.api.app`.
"""
