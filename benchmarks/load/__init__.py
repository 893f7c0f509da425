"""Load on a server: chats by wrk, and a client for what wrk does not measure.

May import `benchmarks.servers` and `benchmarks.report`.
Begin at `chat`.
"""
