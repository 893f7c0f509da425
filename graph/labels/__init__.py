"""The labels of what a conversation has read, and the calls that could carry it elsewhere.

May import `identity`, `tools` and, for what a run notes, `graph.context`: state and gate import it. Begin at
`data_labels`.
"""
