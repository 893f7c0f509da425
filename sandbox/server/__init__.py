"""The sandbox as a process: its options, its listeners, and which service is where.

May import the whole sandbox. Imports the services late, because they cost time.
Begin at `server`.
"""
