"""The conversations of the caller: listed, read, changed and deleted; their runs, followed and answered.

May import `agent.conversations`, `agent.api.ag_ui` and the modules at the top of `agent.api`.
Begin at `routes`; `run_routes` has the routes of runs, `models` the bodies and responses.
"""
