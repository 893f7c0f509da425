"""The ASGI middleware that every request passes before its route, one file each.

May import `agent.errors`, `agent.replicas` and `agent.telemetry`, and no route.
Begin at `authentication`; their order is in `agent.api.app`.
"""
