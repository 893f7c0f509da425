"""What several processes of one agent share through a Redis, and what happens while that is away.

May import the packages below `agent` and the modules at its top, but no surface.
Begin at `shared_redis`; `run_places` limits the runs of a user over all processes.
"""
