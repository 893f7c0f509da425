"""The steps around one call of a tool: a list, outermost first, and one file for each.

May import `identity`, `tools`, the folders of `graph` but its nodes, and the modules at its top.
Begin at `call`, which says what a step is; the list is in `graph.nodes.service`.
"""
