"""The ASGI middleware that every request passes before its route, one file each.

May import `agent.settings` and the modules at the top of `agent`.
Begin at `authentication`; their order is in `agent.api.app`.
"""
