"""The state graph of a run: its state, its nodes, and how they are wired (`agent_graph.build_graph`).

`authenticate → credentials → model ⇄ services → END`. A node acts only for the caller that it has verified.
"""
