"""The nodes of the graph, one file each. A node acts only for the caller that it has verified.

May import `identity`, `tools`, the other folders of `graph` and the modules at its top.
Begin at `graph.callers`, whose `authenticate` is the first; the order of a run is in `graph.build`.
"""
