"""The nodes of the graph, one file each. A node acts only for the caller that it has verified.

May import `identity`, `tools` and the modules at the top of `graph`.
Begin at `authenticate`; the order of a run is in `graph.build`.
"""
