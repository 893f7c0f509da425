"""The state graph of a run: `authenticate → credentials → model ⇄ services → END`.

May import `identity` and `tools`; the only owner of `langgraph`.
Begin at `build`, which wires the nodes; `state` is what they read and write.
"""
