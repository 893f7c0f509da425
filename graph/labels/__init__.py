"""What a conversation has read, and which calls could carry it elsewhere.

May import `identity`, `tools` and, for what a run notes, `graph.context`: state and gate import it. Begin at
`data_labels`.
"""
