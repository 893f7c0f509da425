"""The middleware that every request passes before its route, and the process that listens for it.

May import `agent.errors`, `agent.redis` and `agent.operations`, and no route.
Begin at `authentication`, one of the middlewares, whose order is in `agent.api.app`, or at `web_server`.
"""
