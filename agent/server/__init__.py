"""The process: listening sockets, connection limits, worker processes, start, stop and memory.

May import `agent.settings` and the modules at the top of `agent`.
Begin at `web_server`.
"""
