"""The commands `stop` and `start`: calls of tools that an operator stops on all replicas, and lets go on.

The agent enforces a stop without this plug-in (`graph.call_steps.stops`). Begin at `command`.
"""
