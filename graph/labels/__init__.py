"""What a conversation has read, and which calls could carry it elsewhere.

It imports `identity` and `tools` only: state, context and gate import it. Begin at `data_labels`.
"""
