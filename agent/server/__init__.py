"""The process: listening sockets, connection limits, worker processes, start, stop and memory.

May import the whole agent but its commands and its doctor.
Begin at `web_server`.
"""
